//! The scores of an organization.

mod rebuild;

use memberd_jobs::access::Scope;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::{ApiState, Gate, openapi::gated};

const WRITE: Gate = Gate::Scope(Scope::JobsWrite);

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(gated(WRITE, &[], routes!(rebuild::rebuild)))
}
