//! What this process answers over HTTP: the control API and the webhooks in, behind the same layers.

use std::{collections::BTreeMap, sync::Arc};

use axum::Router;
use memberd_jobs::kernel::{Env, Registry};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::health::Readiness;
use crate::{
    api::{self, ApiState, HttpLimits, Proxies, Rates, ServeLimits},
    config::{Config, DEFAULT_ORGANIZATION},
    ingest::stripe::{self, StripeIngest},
    jwt::Issuers,
    stripe::signature,
};

/// What every endpoint has at hand.
///
/// # Errors
/// When an HTTP client cannot be built.
pub fn state(
    env: &Env,
    registry: &Arc<Registry>,
    config: &Config,
    readiness: &Arc<Readiness>,
    metrics: &PrometheusHandle,
) -> anyhow::Result<ApiState> {
    let mut state = ApiState::new(env.clone(), Arc::clone(registry), metrics.clone());
    state.readiness = Arc::clone(readiness);
    state.limits = HttpLimits {
        body_bytes: config.server.body_limit,
        request_timeout: config.server.request_timeout,
        rates: Rates {
            reads: config.limits.reads_per_minute,
            writes: config.limits.writes_per_minute,
            requests: config.limits.requests_per_minute,
        },
        unauthorized: config.limits.unauthorized_per_minute,
    };
    state.proxies = Arc::new(Proxies(config.server.trusted_proxies.clone()));
    state.issuers = Arc::new(Issuers::new(config.jwt.clone(), config.roles.clone())?);
    Ok(state)
}

/// Answers requests until `stop`, then lets those under way finish. Webhooks are stored through `ingest`.
pub async fn serve(
    listener: TcpListener,
    state: ApiState,
    ingest: Env,
    config: &Config,
    stop: CancellationToken,
) {
    let webhooks: Router<ApiState> =
        stripe::routes(stripe_ingest(config, ingest, &state.readiness)).with_state(());
    let limits = ServeLimits {
        header_timeout: config.server.header_timeout,
        connections_max: config.server.connections_max,
        drain: config.shutdown.timeout,
    };
    let tasks = state.tasks.clone();
    api::serve(listener, api::router_with(state, webhooks), limits, stop).await;
    tasks.close();
    tasks.wait().await;
}

fn stripe_ingest(config: &Config, env: Env, readiness: &Arc<Readiness>) -> StripeIngest {
    let organizations = &config.organizations;
    let secrets = organizations
        .iter()
        .map(|(id, organization)| (id.clone(), organization.stripe.webhook_secrets.clone()));
    let default = organizations.get(DEFAULT_ORGANIZATION);
    StripeIngest {
        env,
        secrets: secrets.collect::<BTreeMap<_, _>>(),
        tolerance: default.map_or(signature::TOLERANCE, |one| one.stripe.webhook_tolerance),
        body_limit: config.server.webhook_body_limit,
        readiness: Arc::clone(readiness),
    }
}
