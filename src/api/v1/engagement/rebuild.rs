//! `POST /v1/engagement/rebuild`

use axum::{extract::State, response::Response};
use memberd_jobs::engagement;
use serde_json::json;

use crate::api::{
    Answer, ApiState, Begun, Caller, IdempotencyKey, Kept, NoQuery, Once,
    v1::jobs::{Job, kept},
};

/// Build all scores anew
///
/// A job works them out from everything that was counted, beside those that are read, and switches when they are complete.
/// A new configuration does this by itself.
#[utoipa::path(post, path = "/v1/engagement/rebuild", tag = "engagement", operation_id = "rebuild_engagement",
    params(IdempotencyKey),
    responses(
        (status = 201, description = "The job.", body = Job),
        (status = 200, description = "The job that already waits.", body = Job)))]
pub(super) async fn rebuild(
    State(state): State<ApiState>,
    caller: Caller,
    _: NoQuery,
    key: IdempotencyKey,
) -> Answer<Response> {
    let once = match key
        .begin(&state, &caller, &json!("rebuild_engagement"))
        .await?
    {
        Begun::First(once) => once,
        Begun::Replayed(response) => return Ok(response),
    };
    let ordered = order(&state, &caller, &once).await;
    Ok(once.ended(&state, ordered).await?.into_response())
}

async fn order(state: &ApiState, caller: &Caller, once: &Once) -> Answer<Kept> {
    let mut tx = state.env.db.begin().await?;
    let enqueued = engagement::rebuild(&mut tx, &state.env, &caller.organization).await?;
    kept(tx, state, caller, &enqueued, once).await
}
