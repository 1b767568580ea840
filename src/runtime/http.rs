//! What this process answers over HTTP.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use memberd_jobs::kernel::Env;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::health::Readiness;
use crate::{
    config::{Config, DEFAULT_ORGANIZATION},
    ingest,
};

/// Leases without a sign of life for this long mean that the process or its database hangs.
const BEATS_MISSED_MAX: u32 = 2;

/// What the routes need.
#[derive(Clone, Debug)]
pub struct HttpState {
    /// The world.
    pub env: Env,
    /// Signs of life.
    pub readiness: Arc<Readiness>,
    /// How long a lease lasts: the measure of a sign of life.
    pub lease: Duration,
    /// The metrics.
    pub metrics: PrometheusHandle,
}

/// All routes. MERGE: `crate::api::router` joins here, and takes over the three open routes.
pub fn http_routes(config: &Config, state: &HttpState) -> Router {
    let open = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route(
            "/metrics",
            get(async |State(state): State<HttpState>| state.metrics.render()),
        )
        .with_state(state.clone());
    open.merge(ingest::stripe::routes(stripe_ingest(config, &state.env)))
}

/// Answers requests until `stop`, then lets running ones finish. MERGE: `crate::api::serve` takes this place.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    stop: CancellationToken,
) -> std::io::Result<()> {
    axum::serve(listener, routes)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

fn stripe_ingest(config: &Config, env: &Env) -> ingest::stripe::StripeIngest {
    let organizations = &config.organizations;
    let secrets = organizations
        .iter()
        .map(|(id, organization)| (id.clone(), organization.stripe.webhook_secrets.clone()));
    let default = organizations.get(DEFAULT_ORGANIZATION);
    ingest::stripe::StripeIngest {
        env: env.clone(),
        secrets: secrets.collect::<BTreeMap<_, _>>(),
        tolerance: default.map_or(crate::stripe::signature::TOLERANCE, |one| {
            one.stripe.webhook_tolerance
        }),
        body_limit: config.server.webhook_body_limit,
    }
}

async fn ready(State(state): State<HttpState>) -> (StatusCode, &'static str) {
    let readiness = &state.readiness;
    let age = readiness.beat_age(state.env.now());
    if readiness.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else if age.is_none_or(|age| age > state.lease * BEATS_MISSED_MAX) {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "no sign of life from the database\n",
        )
    } else {
        (StatusCode::OK, "ready\n")
    }
}
