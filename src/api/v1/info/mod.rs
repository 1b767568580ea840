//! About this installation and the key.

mod show;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::{ApiState, Gate, openapi::gated};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(gated(Gate::AnyKey, &[], routes!(show::show)))
}
