//! `POST /v1/queues/{queue}/resume`

use axum::{extract::State, response::Response};

use super::model::{QueueBody, set_paused};
use crate::api::{Answer, ApiState, Caller, IdempotencyKey, NoQuery, Path};

/// Resume a queue
///
/// Jobs of this queue start again on every node. Resuming twice changes nothing.
#[utoipa::path(post, path = "/v1/queues/{queue}/resume", tag = "queues", operation_id = "resume_queue",
    params(("queue" = String, Path, description = "The queue's name.", example = "email"),
        IdempotencyKey),
    responses((status = 200, description = "The queue.", body = QueueBody)))]
pub(super) async fn resume(
    State(state): State<ApiState>,
    caller: Caller,
    Path(queue): Path<String>,
    _: NoQuery,
    key: IdempotencyKey,
) -> Answer<Response> {
    set_paused(&state, &caller, key, &queue, false).await
}
