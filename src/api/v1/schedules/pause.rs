//! `POST /v1/schedules/{schedule}/pause`

use axum::{extract::State, response::Response};

use super::model::{ScheduleBody, set_paused};
use crate::api::{Answer, ApiState, Caller, IdempotencyKey, NoQuery, Path};

/// Pause a schedule
///
/// It fires no more until it is resumed. Pausing twice changes nothing.
#[utoipa::path(post, path = "/v1/schedules/{schedule}/pause", tag = "schedules", operation_id = "pause_schedule",
    params(("schedule" = String, Path, description = "The schedule's name.", example = "housekeeping.prune_jobs"),
        IdempotencyKey),
    responses((status = 200, description = "The schedule.", body = ScheduleBody)))]
pub(super) async fn pause(
    State(state): State<ApiState>,
    caller: Caller,
    Path(schedule): Path<String>,
    _: NoQuery,
    key: IdempotencyKey,
) -> Answer<Response> {
    set_paused(&state, &caller, key, &schedule, true).await
}
