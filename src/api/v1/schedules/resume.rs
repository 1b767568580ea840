//! `POST /v1/schedules/{schedule}/resume`

use axum::{extract::State, response::Response};

use super::model::{ScheduleBody, set_paused};
use crate::api::{Answer, ApiState, Caller, IdempotencyKey, NoQuery, Path};

/// Resume a schedule
///
/// It fires again from its next tick on; ticks missed while it was paused are not caught up. Resuming twice changes
/// nothing.
#[utoipa::path(post, path = "/v1/schedules/{schedule}/resume", tag = "schedules", operation_id = "resume_schedule",
    params(("schedule" = String, Path, description = "The schedule's name.", example = "housekeeping.prune_jobs"),
        IdempotencyKey),
    responses((status = 200, description = "The schedule.", body = ScheduleBody)))]
pub(super) async fn resume(
    State(state): State<ApiState>,
    caller: Caller,
    Path(schedule): Path<String>,
    _: NoQuery,
    key: IdempotencyKey,
) -> Answer<Response> {
    set_paused(&state, &caller, key, &schedule, false).await
}
