//! `POST /v1/keys/{id}/rotate`

use std::time::Duration;

use axum::{extract::State, response::Response};
use memberd_jobs::access::{self, KeyRow, OVERLAP_SECONDS_MAX, Scopes};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::model::CreatedKey;
use crate::api::{
    Answer, ApiState, Begun, Caller, Code, IdempotencyKey, Kept, MaybeJson, NoQuery, Once, Path,
    Problem, Whole, limits::KEY_OVERLAP_DEFAULT,
};

/// Seconds for which the old key works on.
type Overlap = Whole<0, OVERLAP_SECONDS_MAX>;

/// How to rotate.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"overlap_seconds": 3600}))]
pub(super) struct Rotation {
    /// Seconds for which the old key works on, so that its users can be given the new one; a day unless given.
    overlap_seconds: Option<Overlap>,
}

/// Rotate a key
///
/// Makes a key with the same name, scopes, limits, creator and end, and answers its secret, once. The old one works on for a
/// while. A key cannot rotate one that may do more than itself, or works longer.
#[utoipa::path(post, path = "/v1/keys/{id}/rotate", tag = "keys", operation_id = "rotate_key",
    request_body = Option<Rotation>,
    params(("id" = String, Path, description = "The key's id.", example = "key_4fGh28Xq"), IdempotencyKey),
    responses((status = 201, description = "The new key and its secret.", body = CreatedKey)))]
pub(super) async fn rotate(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
    key: IdempotencyKey,
    MaybeJson(body): MaybeJson<Rotation>,
) -> Answer<Response> {
    let overlap = body
        .overlap_seconds
        .map_or(KEY_OVERLAP_DEFAULT, |Whole(seconds)| {
            Duration::from_secs(seconds.unsigned_abs())
        });
    let asked = json!({ "rotate_key": id, "overlap_seconds": overlap.as_secs() });
    let once = match key.begin(&state, &caller, &asked).await? {
        Begun::First(once) => once,
        Begun::Replayed(response) => return Ok(response),
    };
    let rotated = replace(&state, &caller, &id, overlap, &once).await;
    Ok(once.ended(&state, rotated).await?.into_response())
}

async fn replace(
    state: &ApiState,
    caller: &Caller,
    id: &str,
    overlap: Duration,
    once: &Once,
) -> Answer<Kept> {
    let env = &state.env;
    let settings = env.settings.organizations.get(&caller.organization);
    let live = settings.is_some_and(|organization| organization.livemode);
    let mut tx = env.db.begin().await?;
    let row = access::lock_key(&mut tx, &caller.organization, id).await?;
    let row = row.filter(|row| caller.sees(row.creator_id.as_deref()));
    let row = row.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no key {id}")))?;
    if row.has_ended(env.now()) {
        let detail = format!("{id} works no more: make a new key");
        return Err(Problem::new(Code::InvalidRequest, detail).unprocessable());
    }
    check(&row, caller)?;
    let (new, key) = access::rotate_key(&mut tx, env, &row, overlap, live).await?;
    let new_id = new.id.clone();
    let kept = CreatedKey::settle(tx, new, &key, once).await?;
    state.keys.forget(id);
    tracing::info!(
        key = id,
        new = new_id,
        by = caller.key_id,
        "a key was rotated"
    );
    Ok(kept)
}

/// The answer is as good as the key itself.
fn check(row: &KeyRow, caller: &Caller) -> Answer<()> {
    let beyond = Scopes::stored(&row.scopes).beyond(&caller.scopes);
    let lacks = match beyond {
        Some(scope) => format!("the scope {scope}"),
        None if row.unlimited && !caller.unlimited => "its freedom of limits".to_owned(),
        None if !caller.lasts(row.expires_at) => "its time".to_owned(),
        None => return Ok(()),
    };
    let detail = format!("your key lacks {lacks}, so it cannot rotate {}", row.id);
    Err(Problem::new(Code::InsufficientScope, detail))
}
