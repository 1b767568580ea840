//! What every endpoint has at hand.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use memberd_jobs::kernel::{Env, Registry, Timestamp};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::task::TaskTracker;

use super::{
    auth::KeyCache,
    limits::{BODY_BYTES_DEFAULT, REQUEST_TIMEOUT_DEFAULT},
};

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
    /// The metrics of this process.
    pub metrics: Metrics,
    /// Bounds that the configuration sets.
    pub limits: HttpLimits,
    /// Where small work goes that outlives its request; shutdown waits for it.
    pub tasks: TaskTracker,
    /// Keys seen in the last second.
    pub keys: Arc<KeyCache>,
}

impl ApiState {
    /// A state with the usual limits and fresh caches.
    pub fn new(env: Env, registry: Arc<Registry>, metrics: PrometheusHandle) -> Self {
        Self {
            env,
            registry,
            version: env!("CARGO_PKG_VERSION"),
            readiness: Arc::new(Readiness::default()),
            metrics: Metrics(metrics),
            limits: HttpLimits::default(),
            tasks: TaskTracker::new(),
            keys: Arc::default(),
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
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            body_bytes: BODY_BYTES_DEFAULT,
            request_timeout: REQUEST_TIMEOUT_DEFAULT,
        }
    }
}

/// What the parts of this process say about themselves, for `/readyz`.
#[derive(Debug, Default)]
pub struct Readiness {
    draining: AtomicBool,
    /// Last sign of life of the workers in Unix milliseconds; 0 where this process has no workers.
    workers_beat: AtomicI64,
    /// The last answer of the database check.
    pub(super) checked: tokio::sync::Mutex<Option<super::open::readyz::Checked>>,
}

impl Readiness {
    /// Says that the workers of this process are alive. A process without that role never says so.
    pub fn workers_beat(&self, now: Timestamp) {
        self.workers_beat.store(now.0, Ordering::Relaxed);
    }

    /// Says that this process is about to stop, so that nobody sends it new requests.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether this process is about to stop.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// When the workers last showed that they live; `None` where this process has none.
    pub fn last_workers_beat(&self) -> Option<Timestamp> {
        let beat = self.workers_beat.load(Ordering::Relaxed);
        (beat != 0).then_some(Timestamp(beat))
    }
}
