//! `POST /v1/queues/{queue}/pause`

use axum::extract::State;

use super::model::{QueueBody, set_paused};
use crate::api::{Answer, ApiState, Json, NoQuery, Path};

/// Pause a queue
///
/// No node starts jobs of this queue any more; what runs goes on running. Pausing twice changes nothing.
#[utoipa::path(post, path = "/v1/queues/{queue}/pause", tag = "queues", operation_id = "pause_queue",
    params(("queue" = String, Path, description = "The queue's name.", example = "email")),
    responses((status = 200, description = "The queue.", body = QueueBody)))]
pub(super) async fn pause(
    State(state): State<ApiState>,
    Path(queue): Path<String>,
    _: NoQuery,
) -> Answer<Json<QueueBody>> {
    set_paused(&state, &queue, true).await.map(Json)
}
