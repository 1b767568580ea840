//! `GET /v1/members/{id}`

use std::slice;

use axum::extract::State;

use super::model::{Around, Member, found};
use crate::api::{Answer, ApiState, Caller, Json, NoQuery, Path};

/// Show a member
///
/// One member with her foreign keys and her entitlements, by her own id or by another system's.
#[utoipa::path(get, path = "/v1/members/{id}", tag = "members", operation_id = "show_member",
    params(("id" = String, Path, description = "Her id, or `ext:<provider>:<id>`.", example = "ext:stripe:cus_123")),
    responses((status = 200, description = "The member.", body = Member)))]
pub(super) async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
) -> Answer<Json<Member>> {
    let row = found(&state, &caller, &id).await?;
    let mut around = Around::of(&state, &caller, slice::from_ref(&row), true).await?;
    Ok(Json(around.show(row)))
}
