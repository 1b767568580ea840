//! `POST /v1/webhook-endpoints/{id}/rotate-secret`

use std::time::Duration;

use axum::{extract::State, http::StatusCode, response::Response};
use memberd_jobs::webhooks_out;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{
    model::{CreatedWebhookEndpoint, reveal_again},
    refuse,
};
use crate::api::{
    Answer, ApiState, Begun, Caller, IdempotencyKey, Kept, MaybeJson, NoQuery, Once, Path, Whole,
    limits::{SECRET_OVERLAP_DEFAULT, SECRET_OVERLAP_MAX},
};

/// Seconds for which the secrets before sign on.
type Overlap = Whole<0, SECRET_OVERLAP_MAX>;

/// How to rotate.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"overlap_seconds": 3600}))]
pub(super) struct SecretRotation {
    /// Seconds for which events are signed with the secrets before, too, so that the receiver can be given the new one;
    /// a day unless given.
    overlap_seconds: Option<Overlap>,
}

/// Rotate the secret
///
/// Makes a new secret and answers it, once. For a while every event carries a signature of each, so that no receiver has
/// to change at one moment.
#[utoipa::path(post, path = "/v1/webhook-endpoints/{id}/rotate-secret", tag = "webhooks",
    operation_id = "rotate_webhook_secret", request_body = Option<SecretRotation>,
    params(("id" = String, Path, description = "Its id.", example = "whe_01JAAAAAAAAAAAAAAAAAAAAAAA"),
        IdempotencyKey),
    responses((status = 201, description = "The endpoint and its new secret.", body = CreatedWebhookEndpoint)))]
pub(super) async fn rotate_secret(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
    key: IdempotencyKey,
    MaybeJson(body): MaybeJson<SecretRotation>,
) -> Answer<Response> {
    let overlap = body
        .overlap_seconds
        .map_or(SECRET_OVERLAP_DEFAULT, |Whole(seconds)| {
            Duration::from_secs(seconds.unsigned_abs())
        });
    let asked = json!({ "rotate_webhook_secret": id, "overlap_seconds": overlap.as_secs() });
    let once = match key.begin(&state, &caller, &asked).await? {
        Begun::First(once) => once,
        Begun::Replayed(response) => return reveal_again(&state, &caller, response).await,
    };
    let rotated = rotate(&state, &caller, &id, overlap, &once).await;
    once.ended(&state, rotated).await
}

async fn rotate(
    state: &ApiState,
    caller: &Caller,
    id: &str,
    overlap: Duration,
    once: &Once,
) -> Answer<Response> {
    let env = &state.env;
    let mut tx = env.db.begin().await?;
    let made = webhooks_out::rotate(&mut tx, env, &caller.organization, id, overlap).await?;
    let made = made.map_err(|why| refuse(&why))?;
    let secret = made.secret.clone();
    let body = CreatedWebhookEndpoint::from(made);
    once.settle(&mut tx, &Kept::json(StatusCode::CREATED, &body)?)
        .await?;
    tx.commit().await?;
    tracing::info!(
        endpoint = id,
        by = caller.key_id,
        "the secret of a webhook endpoint was rotated"
    );
    body.reveal(state, &secret)
}
