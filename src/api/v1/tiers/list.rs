//! `GET /v1/tiers`

use axum::extract::State;
use memberd_jobs::entitlements::store as tiers;

use super::model::Tier;
use crate::api::{Answer, ApiState, Caller, Json, Page, Paging, Query};

/// List tiers
///
/// The organization's tiers, by their ids downwards: Stripe's ids have no order of time.
#[utoipa::path(get, path = "/v1/tiers", tag = "tiers", operation_id = "list_tiers", params(Paging),
    responses((status = 200, description = "A page of tiers.", body = Page<Tier>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Answer<Json<Page<Tier>>> {
    let list = caller.list("tiers");
    let before = list.position(paging.cursor.as_ref())?;
    let rows = tiers::tiers(
        &state.env.db,
        &caller.organization,
        before.as_deref(),
        paging.limit.fetch(),
    )
    .await?;
    Ok(Json(list.page(
        rows,
        paging.limit,
        |row| row.id.clone(),
        Tier::from,
    )))
}
