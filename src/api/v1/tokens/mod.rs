//! Tokens of others (JWT) that are taken in the place of keys.

mod revoke;

use memberd_jobs::access::Scope;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::{ApiState, Gate, openapi::gated};

const GATE: Gate = Gate::Scope(Scope::KeysWrite);

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(gated(GATE, &[], routes!(revoke::revoke)))
}
