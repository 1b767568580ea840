//! What needs no key: health, metrics and the description of the API.

mod healthz;
mod metrics;
mod openapi_json;
pub(super) mod readyz;

use utoipa_axum::{router::OpenApiRouter, routes};

use super::{code::Code, openapi::open, state::ApiState};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    let not_ready = [Code::Draining, Code::SchemaMismatch];
    OpenApiRouter::new()
        .routes(open(&[], routes!(healthz::healthz)))
        .routes(open(&not_ready, routes!(readyz::readyz)))
        .routes(open(&[], routes!(metrics::metrics)))
        .routes(open(&[], routes!(openapi_json::openapi_json)))
}
