//! `GET /v1/schedules`

use axum::extract::State;
use memberd_jobs::kernel::queue::schedules;

use super::model::ScheduleBody;
use crate::api::{Answer, ApiState, Json, NoQuery, Page};

/// List schedules
///
/// Every schedule of the installation, by name. The list is always one page.
#[utoipa::path(get, path = "/v1/schedules", tag = "schedules", operation_id = "list_schedules",
    responses((status = 200, description = "The schedules.", body = Page<ScheduleBody>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    _: NoQuery,
) -> Answer<Json<Page<ScheduleBody>>> {
    let rows = schedules::all(&state.env.db).await?;
    Ok(Json(Page::whole(
        rows.into_iter().map(ScheduleBody::from).collect(),
    )))
}
