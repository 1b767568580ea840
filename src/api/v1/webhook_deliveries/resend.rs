//! `POST /v1/webhook-deliveries/{id}/resend`

use axum::{extract::State, http::StatusCode, response::Response};
use memberd_jobs::webhooks_out;
use serde_json::json;

use super::WebhookDelivery;
use crate::api::{
    Answer, ApiState, Begun, Caller, IdempotencyKey, Kept, NoQuery, Once, Path,
    v1::webhook_endpoints::refuse,
};

/// Send a delivery again
///
/// Whatever became of it: at once, with the id that it had, and with all its attempts before it.
#[utoipa::path(post, path = "/v1/webhook-deliveries/{id}/resend", tag = "webhooks",
    operation_id = "resend_webhook_delivery",
    params(("id" = String, Path, description = "Its id.", example = "whd_01JAAAAAAAAAAAAAAAAAAAAAAA"),
        IdempotencyKey),
    responses((status = 202, description = "The delivery.", body = WebhookDelivery)))]
pub(super) async fn resend(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
    key: IdempotencyKey,
) -> Answer<Response> {
    let once = match key
        .begin(&state, &caller, &json!({ "resend_webhook_delivery": id }))
        .await?
    {
        Begun::First(once) => once,
        Begun::Replayed(response) => return Ok(response),
    };
    let sent = send(&state, &caller, &id, &once).await;
    Ok(once.ended(&state, sent).await?.into_response())
}

async fn send(state: &ApiState, caller: &Caller, id: &str, once: &Once) -> Answer<Kept> {
    let env = &state.env;
    let mut tx = env.db.begin().await?;
    let sent = webhooks_out::resend(&mut tx, env, &caller.organization, id).await?;
    let row = sent.map_err(|why| refuse(&why))?;
    let kept = Kept::json(StatusCode::ACCEPTED, &WebhookDelivery::from(row))?;
    once.settle(&mut tx, &kept).await?;
    tx.commit().await?;
    tracing::info!(delivery = id, by = caller.key_id, "a webhook is sent again");
    Ok(kept)
}
