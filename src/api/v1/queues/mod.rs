//! Queues: how full they are, pausing them, and their slots. They belong to the whole installation.

mod list;
mod model;
mod pause;
mod resume;
mod update;

use memberd_jobs::access::Scope;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::{ApiState, Code, Gate, openapi::gated};

const READ: Gate = Gate::Installation(Scope::JobsRead);
const WRITE: Gate = Gate::Installation(Scope::QueuesWrite);

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    let missing = [Code::NotFound];
    OpenApiRouter::new()
        .routes(gated(READ, &[], routes!(list::list)))
        .routes(gated(WRITE, &missing, routes!(pause::pause)))
        .routes(gated(WRITE, &missing, routes!(resume::resume)))
        .routes(gated(WRITE, &missing, routes!(update::update)))
}
