//! What members do, told by the organization's own systems.

mod create;
mod model;

use memberd_jobs::access::Scope;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::{ApiState, Code, Gate, openapi::gated};

const WRITE: Gate = Gate::Narrowed(Scope::EventsWrite);

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(gated(
        WRITE,
        &[Code::InvalidRequest],
        routes!(create::create),
    ))
}
