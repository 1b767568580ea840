//! `DELETE /v1/keys/{id}`

use axum::extract::State;
use memberd_jobs::access;

use super::model::ApiKey;
use crate::api::{Answer, ApiState, Caller, Code, Json, NoQuery, Path, Problem};

/// Revoke a key
///
/// It stops working at once on this node and within a second on the others. Its row stays, so that people see what
/// was used when. Revoking twice changes nothing.
#[utoipa::path(delete, path = "/v1/keys/{id}", tag = "keys", operation_id = "revoke_key",
    params(("id" = String, Path, description = "The key's id.", example = "key_4fGh28Xq")),
    responses((status = 200, description = "The revoked key.", body = ApiKey)))]
pub(super) async fn revoke(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
) -> Answer<Json<ApiKey>> {
    let env = &state.env;
    let mut tx = env.db.begin().await?;
    let row = access::revoke_key(
        &mut tx,
        &caller.organization,
        caller.creator.as_deref(),
        &id,
        env.now(),
    )
    .await?;
    tx.commit().await?;
    state.keys.forget(&id);
    let row = row.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no key {id}")))?;
    tracing::info!(key = row.id, by = caller.key_id, "a key was revoked");
    Ok(Json(row.into()))
}
