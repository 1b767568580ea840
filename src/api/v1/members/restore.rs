//! `POST /v1/members/{id}/restore`

use axum::{extract::State, response::Response};
use serde_json::json;

use super::{
    model::Member,
    write::{Write, headed, write},
};
use crate::api::{Answer, ApiState, Begun, Caller, IdempotencyKey, IfMatch, NoQuery, Path};

/// Restore a deleted member
///
/// She is as she was, with the access that she has by now. If another member has got her address meanwhile, it is refused
/// with that member's id. One who is not deleted stays as she is.
#[utoipa::path(post, path = "/v1/members/{id}/restore", tag = "members", operation_id = "restore_member",
    params(("id" = String, Path, description = "Her id, or `ext:<provider>:<id>`.", example = "ext:stripe:cus_123"),
        IdempotencyKey),
    responses((status = 200, description = "The member.", body = Member,
        headers(("ETag" = String, description = "Her version, for `If-Match`.")))))]
pub(super) async fn restore(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
    key: IdempotencyKey,
) -> Answer<Response> {
    let once = match key
        .begin(&state, &caller, &json!({ "restore_member": id }))
        .await?
    {
        Begun::First(once) => once,
        Begun::Replayed(response) => return headed(response).await,
    };
    let kept = write(&state, &caller, &id, &IfMatch(None), Write::Restore, &once).await;
    headed(once.ended(&state, kept).await?.into_response()).await
}
