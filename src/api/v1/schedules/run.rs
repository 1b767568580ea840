//! `POST /v1/schedules/{schedule}/run`

use axum::{extract::State, http::StatusCode};
use memberd_jobs::kernel::queue::schedules;

use super::model::found;
use crate::api::{
    Answer, ApiState, Caller, Code, Json, NoQuery, Path, Problem,
    v1::jobs::{self, Job},
};

/// Run a schedule now
///
/// Enqueues its job, whatever the clock says; its next tick stays as it is.
#[utoipa::path(post, path = "/v1/schedules/{schedule}/run", tag = "schedules", operation_id = "run_schedule",
    params(("schedule" = String, Path, description = "The schedule's name.", example = "housekeeping.prune_jobs")),
    responses((status = 201, description = "The job.", body = Job)))]
pub(super) async fn run(
    State(state): State<ApiState>,
    caller: Caller,
    Path(schedule): Path<String>,
    _: NoQuery,
) -> Answer<(StatusCode, Json<Job>)> {
    let Some(id) = schedules::run_now(&state.env, &state.registry, &schedule).await? else {
        found(&state, &schedule).await?;
        let detail = format!("this version of memberd cannot run the job of schedule {schedule}");
        return Err(Problem::new(Code::InvalidRequest, detail).unprocessable());
    };
    let job = jobs::found(&state, &caller, &id).await?;
    Ok((StatusCode::CREATED, Json(job)))
}
