//! `POST /v1/queues/{queue}/pause`

use axum::{extract::State, response::Response};

use super::model::{QueueBody, set_paused};
use crate::api::{Answer, ApiState, Caller, IdempotencyKey, NoQuery, Path};

/// Pause a queue
///
/// No node starts jobs of this queue any more; what runs goes on running. Pausing twice changes nothing.
#[utoipa::path(post, path = "/v1/queues/{queue}/pause", tag = "queues", operation_id = "pause_queue",
    params(("queue" = String, Path, description = "The queue's name.", example = "email"),
        IdempotencyKey),
    responses((status = 200, description = "The queue.", body = QueueBody)))]
pub(super) async fn pause(
    State(state): State<ApiState>,
    caller: Caller,
    Path(queue): Path<String>,
    _: NoQuery,
    key: IdempotencyKey,
) -> Answer<Response> {
    set_paused(&state, &caller, key, &queue, true).await
}
