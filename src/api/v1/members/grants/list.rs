//! `GET /v1/members/{id}/grants`

use axum::extract::State;
use memberd_jobs::entitlements::store;

use super::{super::model::found, model::Grant};
use crate::api::{Answer, ApiState, Caller, Json, List, Page, Paging, Path, Query};

/// List a member's grants
///
/// All access that was given to her, newest first; also what is over or was taken back.
#[utoipa::path(get, path = "/v1/members/{id}/grants", tag = "members", operation_id = "list_grants",
    params(("id" = String, Path, description = "Her id, or `ext:<provider>:<id>`.", example = "ext:stripe:cus_123"),
        Paging),
    responses((status = 200, description = "A page of grants.", body = Page<Grant>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    Query(paging): Query<Paging>,
) -> Answer<Json<Page<Grant>>> {
    let (db, organization, now) = (&state.env.db, &caller.organization, state.env.now());
    let list = List {
        name: "grants",
        organization,
    };
    let before = list.position(paging.cursor.as_ref())?;
    let member = found(&state, &caller, &id).await?;
    let fetch = paging.limit.fetch();
    let rows = store::grants(db, organization, &member.id, before.as_deref(), fetch).await?;
    let page = list.page(
        rows,
        paging.limit,
        |row| row.id.clone(),
        |row| Grant::of(row, now),
    );
    Ok(Json(page))
}
