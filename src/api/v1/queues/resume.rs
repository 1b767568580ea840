//! `POST /v1/queues/{queue}/resume`

use axum::extract::State;

use super::model::{QueueBody, set_paused};
use crate::api::{Answer, ApiState, Json, NoQuery, Path};

/// Resume a queue
///
/// Jobs of this queue start again on every node. Resuming twice changes nothing.
#[utoipa::path(post, path = "/v1/queues/{queue}/resume", tag = "queues", operation_id = "resume_queue",
    params(("queue" = String, Path, description = "The queue's name.", example = "email")),
    responses((status = 200, description = "The queue.", body = QueueBody)))]
pub(super) async fn resume(
    State(state): State<ApiState>,
    Path(queue): Path<String>,
    _: NoQuery,
) -> Answer<Json<QueueBody>> {
    set_paused(&state, &queue, false).await.map(Json)
}
