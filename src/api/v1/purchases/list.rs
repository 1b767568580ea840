//! `GET /v1/purchases`

use axum::extract::State;
use memberd_jobs::sync::store::read as mirror;
use serde::Deserialize;
use utoipa::IntoParams;

use super::model::Purchase;
use crate::api::{Answer, ApiState, Caller, Cursor, Json, Limit, Page, Query, place};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filters {
    /// Purchases of this member.
    #[param(example = "mem_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    member_id: Option<String>,
    /// Rows of the page.
    #[param(inline)]
    #[serde(default)]
    limit: Limit,
    /// `next_cursor` of the page before.
    #[param(inline)]
    cursor: Option<Cursor>,
}

/// List purchases
///
/// What was paid, newest first: paid invoices, and payments that no invoice asked for. All filters must hold.
#[utoipa::path(get, path = "/v1/purchases", tag = "purchases", operation_id = "list_purchases", params(Filters),
    responses((status = 200, description = "A page of purchases.", body = Page<Purchase>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(filters): Query<Filters>,
) -> Answer<Json<Page<Purchase>>> {
    let list = caller.list("purchases");
    let before = list.place(filters.cursor.as_ref())?;
    let rows = mirror::purchases(
        &state.env.db,
        &caller.organization,
        state.env.now(),
        caller.whose(filters.member_id.as_deref()),
        before.as_ref().map(|(time, id)| (*time, id.as_str())),
        filters.limit.fetch(),
    )
    .await?;
    Ok(Json(list.page(
        rows,
        filters.limit,
        |row| place(row.created_at, &row.source_id),
        Purchase::from,
    )))
}
