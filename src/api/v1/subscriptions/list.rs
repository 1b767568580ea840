//! `GET /v1/subscriptions`

use axum::extract::State;
use memberd_jobs::sync::store::read as mirror;
use serde::Deserialize;
use utoipa::IntoParams;

use super::model::{Items, Subscription};
use crate::api::{Answer, ApiState, Caller, Cursor, Json, Limit, Page, Query, place};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filters {
    /// Subscriptions of this member.
    #[param(example = "mem_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    member_id: Option<String>,
    /// Subscriptions with this status of Stripe's.
    #[param(example = "active")]
    status: Option<String>,
    /// Rows of the page.
    #[param(inline)]
    #[serde(default)]
    limit: Limit,
    /// `next_cursor` of the page before.
    #[param(inline)]
    cursor: Option<Cursor>,
}

/// List subscriptions
///
/// The organization's subscriptions as Stripe has them, newest first. All filters must hold.
#[utoipa::path(get, path = "/v1/subscriptions", tag = "subscriptions", operation_id = "list_subscriptions",
    params(Filters), responses((status = 200, description = "A page of subscriptions.", body = Page<Subscription>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(filters): Query<Filters>,
) -> Answer<Json<Page<Subscription>>> {
    let list = caller.list("subscriptions");
    let before = list.place(filters.cursor.as_ref())?;
    let rows = mirror::subscriptions(
        &state.env.db,
        &caller.organization,
        caller.whose(filters.member_id.as_deref()),
        filters.status.as_deref(),
        before.as_ref().map(|(time, id)| (*time, id.as_str())),
        filters.limit.fetch(),
    )
    .await?;
    let mut items = Items::of(&state, &caller, &rows).await?;
    Ok(Json(list.page(
        rows,
        filters.limit,
        |row| place(row.created_at, &row.id),
        |row| items.show(row),
    )))
}
