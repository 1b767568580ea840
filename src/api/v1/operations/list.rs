//! `GET /v1/operations`

use axum::extract::State;
use memberd_jobs::operations::store::{self, Filter};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Operation, model::OperationState};
use crate::api::{Answer, ApiState, Caller, Cursor, Json, Limit, Page, Query};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filters {
    /// Operations in this state; `unknown` are those that somebody should look at.
    #[param(inline)]
    state: Option<OperationState>,
    /// Operations that change or have made this object of Stripe's.
    #[param(example = "sub_123")]
    object_id: Option<String>,
    /// Operations for this member.
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

/// List operations
///
/// The organization's operations, newest first. All filters must hold.
#[utoipa::path(get, path = "/v1/operations", tag = "operations", operation_id = "list_operations",
    params(Filters), responses((status = 200, description = "A page of operations.", body = Page<Operation>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(filters): Query<Filters>,
) -> Answer<Json<Page<Operation>>> {
    let list = caller.list("operations");
    let before = list.position(filters.cursor.as_ref())?;
    let filter = Filter {
        state: filters.state.map(|word| word.0.as_str()),
        object_id: filters.object_id.as_deref(),
        whose: caller.whose(filters.member_id.as_deref()),
    };
    let rows = store::list(
        &state.env.db,
        &caller.organization,
        &filter,
        before.as_deref(),
        filters.limit.fetch(),
    )
    .await?;
    Ok(Json(list.page(
        rows,
        filters.limit,
        |row| row.id.clone(),
        |row| Operation::of(row, false),
    )))
}
