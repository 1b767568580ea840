//! `GET /v1/keys`

use axum::extract::State;
use memberd_jobs::access;
use serde::Deserialize;
use utoipa::IntoParams;

use super::model::ApiKey;
use crate::api::{Answer, ApiState, Caller, Cursor, Json, Limit, Page, Query, place};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// Rows of the page.
    #[param(inline)]
    #[serde(default)]
    limit: Limit,
    /// `next_cursor` of the page before.
    #[param(inline)]
    cursor: Option<Cursor>,
}

/// List keys
///
/// The organization's keys without their secrets, newest first; also those that are expired or revoked.
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
