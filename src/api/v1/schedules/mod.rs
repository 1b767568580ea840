//! Schedules: jobs that start by the clock. They belong to the whole installation.

mod list;
mod model;
mod pause;
mod resume;
mod run;

use memberd_jobs::access::Scope;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::{ApiState, Code, Gate, openapi::gated};

const READ: Gate = Gate::Installation(Scope::JobsRead);
const WRITE: Gate = Gate::Installation(Scope::SchedulesWrite);

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    let missing = [Code::NotFound];
    let run = [Code::NotFound, Code::InvalidRequest];
    OpenApiRouter::new()
        .routes(gated(READ, &[], routes!(list::list)))
        .routes(gated(WRITE, &run, routes!(run::run)))
        .routes(gated(WRITE, &missing, routes!(pause::pause)))
        .routes(gated(WRITE, &missing, routes!(resume::resume)))
}
