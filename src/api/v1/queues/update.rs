//! `PATCH /v1/queues/{queue}`

use axum::extract::State;
use memberd_jobs::kernel::queue::admin;
use serde::Deserialize;
use utoipa::ToSchema;

use super::model::{QueueBody, found, parse};
use crate::api::{
    Answer, ApiState, Json, NoQuery, Path, Whole, limits::CONCURRENCY_MAX, words::nullable,
};

/// Slots of a queue on one node.
type Concurrency = Whole<0, CONCURRENCY_MAX>;

/// What to change.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"concurrency": 4}))]
pub(super) struct QueueEdit {
    /// Slots of one node, or null to leave it to the configuration of each node. 0 starts nothing.
    #[serde(deserialize_with = "nullable")]
    #[schema(required)]
    concurrency: Option<Concurrency>,
}

/// Change a queue's slots
///
/// How many of its jobs one node runs at once. It works on every node from its next look at the queue on.
#[utoipa::path(patch, path = "/v1/queues/{queue}", tag = "queues", operation_id = "update_queue",
    request_body = QueueEdit,
    params(("queue" = String, Path, description = "The queue's name.", example = "email")),
    responses((status = 200, description = "The queue.", body = QueueBody)))]
pub(super) async fn update(
    State(state): State<ApiState>,
    Path(queue): Path<String>,
    _: NoQuery,
    Json(edit): Json<QueueEdit>,
) -> Answer<Json<QueueBody>> {
    let queue = parse(&queue)?;
    let mut tx = state.env.db.begin().await?;
    admin::set_concurrency(&mut tx, queue, edit.concurrency.map(|slots| slots.0)).await?;
    tx.commit().await?;
    found(&state, queue).await.map(Json)
}
