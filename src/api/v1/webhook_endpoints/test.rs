//! `POST /v1/webhook-endpoints/{id}/test`

use axum::{extract::State, http::StatusCode, response::Response};
use memberd_jobs::webhooks_out::{self, store::deliveries};
use serde_json::json;

use super::refuse;
use crate::api::{
    Answer, ApiState, Begun, Caller, IdempotencyKey, Kept, NoQuery, Once, Path, Problem,
    v1::webhook_deliveries::WebhookDelivery,
};

/// Send a test
///
/// An event of type `webhook_endpoint.test`, of which only this endpoint hears. Answers the delivery; look at it again
/// to see what came of it.
#[utoipa::path(post, path = "/v1/webhook-endpoints/{id}/test", tag = "webhooks", operation_id = "test_webhook_endpoint",
    params(("id" = String, Path, description = "Its id.", example = "whe_01JAAAAAAAAAAAAAAAAAAAAAAA"),
        IdempotencyKey),
    responses((status = 202, description = "The delivery.", body = WebhookDelivery)))]
pub(super) async fn test(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
    key: IdempotencyKey,
) -> Answer<Response> {
    let once = match key
        .begin(&state, &caller, &json!({ "test_webhook_endpoint": id }))
        .await?
    {
        Begun::First(once) => once,
        Begun::Replayed(response) => return Ok(response),
    };
    let sent = send(&state, &caller, &id, &once).await;
    Ok(once.ended(&state, sent).await?.into_response())
}

async fn send(state: &ApiState, caller: &Caller, id: &str, once: &Once) -> Answer<Kept> {
    let (env, organization) = (&state.env, &caller.organization);
    let mut tx = env.db.begin().await?;
    let sent = webhooks_out::send_test(&mut tx, env, organization, id).await?;
    let delivery = sent.map_err(|why| refuse(&why))?;
    let row = deliveries::get_in(&mut tx, organization, &delivery).await?;
    let row = row.ok_or_else(|| Problem::internal(&"a delivery that was written is not there"))?;
    let kept = Kept::json(StatusCode::ACCEPTED, &WebhookDelivery::from(row))?;
    once.settle(&mut tx, &kept).await?;
    tx.commit().await?;
    Ok(kept)
}
