//! What this process answers over HTTP.

use std::{collections::BTreeMap, sync::Arc};

use axum::Router;
use memberd_jobs::kernel::{Env, Registry};
use metrics_exporter_prometheus::PrometheusHandle;

use crate::{
    api::{ApiState, HttpLimits, Readiness, ServeLimits, router_with},
    config::{Config, DEFAULT_ORGANIZATION},
    ingest,
};

/// What the API's endpoints have at hand, as the configuration says.
pub fn api_state(
    env: &Env,
    config: &Config,
    registry: &Arc<Registry>,
    readiness: &Arc<Readiness>,
    metrics: PrometheusHandle,
) -> ApiState {
    ApiState {
        readiness: Arc::clone(readiness),
        limits: HttpLimits {
            body_bytes: config.server.body_limit,
            request_timeout: config.server.request_timeout,
        },
        ..ApiState::new(env.clone(), Arc::clone(registry), metrics)
    }
}

/// All routes: the API, and what others push to us.
pub fn routes(config: &Config, state: &ApiState) -> Router {
    let pushed = ingest::stripe::routes(stripe_ingest(config, &state.env));
    router_with(state.clone(), pushed.with_state(()))
}

/// The bounds of the server loop.
pub const fn serve_limits(config: &Config) -> ServeLimits {
    ServeLimits {
        header_timeout: config.server.header_timeout,
        connections_max: config.server.connections_max,
        drain: config.shutdown.timeout,
    }
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
