//! `GET /v1/keys`

use axum::extract::State;
use memberd_jobs::{
    access::{self, KeyRow},
    kernel::Timestamp,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::model::ApiKey;
use crate::api::{Answer, ApiState, Caller, Code, Cursor, Json, Limit, List, Page, Problem, Query};

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
    let list = List {
        name: "keys",
        organization: &caller.organization,
    };
    let text = list.position(paging.cursor.as_ref())?;
    let after = text.as_deref().map(read).transpose()?;
    let rows = access::list_keys(
        &state.env.db,
        &caller.organization,
        after,
        paging.limit.fetch(),
    )
    .await?;
    let page = list.page(rows, paging.limit, position, ApiKey::from);
    Ok(Json(page))
}

/// Ids of keys are random, so the place in the list is the time and the id.
fn position(row: &KeyRow) -> String {
    format!("{}:{}", row.created_at.0, row.id)
}

fn read(position: &str) -> Answer<(Timestamp, &str)> {
    position
        .split_once(':')
        .and_then(|(time, id)| Some((Timestamp(time.parse().ok()?), id)))
        .ok_or_else(|| {
            Problem::new(
                Code::InvalidCursor,
                "the cursor holds no place in this list",
            )
        })
}
