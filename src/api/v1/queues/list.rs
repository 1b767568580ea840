//! `GET /v1/queues`

use axum::extract::State;
use memberd_jobs::kernel::queue::admin;

use super::model::QueueBody;
use crate::api::{Answer, ApiState, Json, NoQuery, Page};

/// List queues
///
/// Every queue of the installation with what waits and runs in it. The list is always one page.
#[utoipa::path(get, path = "/v1/queues", tag = "queues", operation_id = "list_queues",
    responses((status = 200, description = "The queues.", body = Page<QueueBody>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    _: NoQuery,
) -> Answer<Json<Page<QueueBody>>> {
    let now = state.env.now();
    let lanes = admin::lanes(&state.env.db, now).await?;
    let queues = lanes.iter().map(|lane| QueueBody::of(lane, now));
    Ok(Json(Page::whole(queues.collect())))
}
