//! Version 1: one folder for each group of routes, one file for each endpoint.

mod info;
mod jobs;
mod keys;
mod nodes;
mod queues;
mod schedules;

use utoipa_axum::router::OpenApiRouter;

use super::state::ApiState;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .merge(info::routes())
        .merge(jobs::routes())
        .merge(queues::routes())
        .merge(schedules::routes())
        .merge(nodes::routes())
        .merge(keys::routes())
}
