//! What every endpoint has at hand.

use std::{sync::Arc, time::Duration};

use memberd_jobs::kernel::{Env, Registry};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Mutex;
use tokio_util::task::TaskTracker;

use super::{
    activity::Behind,
    auth::KeyCache,
    given::Revocations,
    limits::{BODY_BYTES_DEFAULT, REQUEST_TIMEOUT_DEFAULT},
    open::readyz::Checked,
    rates::{Proxies, RateLimits, Rates, Strangers},
};
use crate::{jwt::Issuers, runtime::health::Readiness};

/// Everything outside an endpoint. Clones share all of it.
#[derive(Clone, Debug)]
pub struct ApiState {
    /// The world of the core.
    pub env: Env,
    /// The job kinds.
    pub registry: Arc<Registry>,
    /// Version of memberd.
    pub version: &'static str,
    /// Whether this process is ready, as its parts report it.
    pub readiness: Arc<Readiness>,
    /// The last look at the database, so that nobody can wear out the disk by asking.
    pub(super) checked: Arc<Mutex<Option<Checked>>>,
    /// The metrics of this process.
    pub metrics: Metrics,
    /// Bounds that the configuration sets.
    pub limits: HttpLimits,
    /// Where small work goes that outlives its request; shutdown waits for it.
    pub tasks: TaskTracker,
    /// Keys seen in the last second.
    pub keys: Arc<KeyCache>,
    /// Whose tokens are taken in the place of keys.
    pub issuers: Arc<Issuers>,
    /// Whose tokens are taken no more.
    pub(super) revocations: Arc<Revocations>,
    /// What each key has asked for in the last minute.
    pub(super) rates: Arc<RateLimits>,
    /// From where keys came that do not work.
    pub(super) strangers: Arc<Strangers>,
    /// Calls that the activity log still has to take.
    pub(super) activity: Arc<Behind>,
    /// The proxies whose word about an address is believed.
    pub proxies: Arc<Proxies>,
}

impl ApiState {
    /// A state with the usual limits and fresh caches.
    pub fn new(env: Env, registry: Arc<Registry>, metrics: PrometheusHandle) -> Self {
        Self {
            env,
            registry,
            version: env!("CARGO_PKG_VERSION"),
            readiness: Arc::default(),
            checked: Arc::default(),
            metrics: Metrics(metrics),
            limits: HttpLimits::default(),
            tasks: TaskTracker::new(),
            keys: Arc::default(),
            issuers: Arc::default(),
            revocations: Arc::default(),
            rates: Arc::default(),
            strangers: Arc::default(),
            activity: Arc::default(),
            proxies: Arc::default(),
        }
    }
}

/// Renders the metrics of this process.
#[derive(Clone)]
pub struct Metrics(pub PrometheusHandle);

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

/// Bounds of a request that the configuration sets.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Time a request may take.
    pub request_timeout: Duration,
    /// Requests of one key within any minute.
    pub rates: Rates,
    /// Requests from one address with keys that do not work, within any minute.
    pub unauthorized: u32,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            body_bytes: BODY_BYTES_DEFAULT,
            request_timeout: REQUEST_TIMEOUT_DEFAULT,
            rates: Rates::default(),
            unauthorized: u32::MAX,
        }
    }
}
