//! Nodes: the processes of the installation.

mod list;

use memberd_jobs::access::Scope;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::{ApiState, Gate, openapi::gated};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    let gate = Gate::Installation(Scope::JobsRead);
    OpenApiRouter::new().routes(gated(gate, &[], routes!(list::list)))
}
