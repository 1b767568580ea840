//! `GET /v1/creators`

use axum::extract::State;
use memberd_jobs::creators;

use super::model::Creator;
use crate::api::{Answer, ApiState, Caller, Json, Page, Paging, Query};

/// List creators
///
/// The organization's creators, newest first, archived ones too. A narrowed key sees its own.
#[utoipa::path(get, path = "/v1/creators", tag = "creators", operation_id = "list_creators", params(Paging),
    responses((status = 200, description = "A page of creators.", body = Page<Creator>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Answer<Json<Page<Creator>>> {
    let list = caller.list("creators");
    let before = list.position(paging.cursor.as_ref())?;
    let rows = creators::list(
        &state.env.db,
        &caller.organization,
        caller.creator.as_deref(),
        before.as_deref(),
        paging.limit.fetch(),
    )
    .await?;
    Ok(Json(list.page(
        rows,
        paging.limit,
        |row| row.id.clone(),
        Creator::from,
    )))
}
