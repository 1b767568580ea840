//! `GET /v1/keys`

use axum::extract::State;
use memberd_jobs::access;

use super::model::ApiKey;
use crate::api::{Answer, ApiState, Caller, Json, Page, Paging, Query, place};

/// List keys
///
/// The organization's keys without their secrets, newest first; also those that are expired or revoked. A narrowed key
/// sees those that are narrowed to the same creator.
#[utoipa::path(get, path = "/v1/keys", tag = "keys", operation_id = "list_keys", params(Paging),
    responses((status = 200, description = "A page of keys.", body = Page<ApiKey>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Answer<Json<Page<ApiKey>>> {
    let list = caller.list("keys");
    let after = list.place(paging.cursor.as_ref())?;
    let rows = access::list_keys(
        &state.env.db,
        &caller.organization,
        caller.creator.as_deref(),
        after.as_ref().map(|(time, id)| (*time, id.as_str())),
        paging.limit.fetch(),
    )
    .await?;
    let page = list.page(
        rows,
        paging.limit,
        // Ids of keys are random, so the place in the list is the time and the id.
        |row| place(row.created_at, &row.id),
        ApiKey::from,
    );
    Ok(Json(page))
}
