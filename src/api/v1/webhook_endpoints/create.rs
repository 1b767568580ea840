//! `POST /v1/webhook-endpoints`

use axum::{extract::State, http::StatusCode, response::Response};
use memberd_jobs::webhooks_out::{self, store::endpoints::Wanted};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{
    model::{CreatedWebhookEndpoint, Description, Url, reveal_again},
    refuse,
    types::EventTypes,
};
use crate::api::{
    Answer, ApiState, Begun, Caller, Code, IdempotencyKey, Json, Kept, NoQuery, Once, Problem,
};

/// An endpoint to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"url": "https://example.org/hooks/memberd", "event_types": ["audience.member_joined"]}))]
pub(super) struct NewWebhookEndpointBody {
    /// Where events are sent: an https URL of a public host, on its scheme's port.
    url: Url,
    /// What it is for.
    description: Option<Description>,
    /// Which types it wants; empty or left out: all.
    #[serde(default)]
    event_types: EventTypes,
}

/// Make a webhook endpoint
///
/// From now on it hears of events, each signed as Standard Webhooks asks for. The answer shows the secret, once.
#[utoipa::path(post, path = "/v1/webhook-endpoints", tag = "webhooks", operation_id = "create_webhook_endpoint",
    request_body = NewWebhookEndpointBody,
    params(IdempotencyKey),
    responses((status = 201, description = "The endpoint and its secret.", body = CreatedWebhookEndpoint)))]
pub(super) async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    _: NoQuery,
    key: IdempotencyKey,
    Json(body): Json<NewWebhookEndpointBody>,
) -> Answer<Response> {
    let types = body.event_types.some();
    let wanted = Wanted {
        url: &body.url.0,
        description: body.description.as_ref().map(|text| text.0.as_str()),
        event_types: types.as_deref(),
    };
    let asked = json!({ "webhook_endpoint": wanted.url, "description": wanted.description, "event_types": types });
    let once = match key.begin(&state, &caller, &asked).await? {
        Begun::First(once) => once,
        Begun::Replayed(response) => return reveal_again(&state, &caller, response).await,
    };
    let made = make(&state, &caller, &wanted, &once).await;
    once.ended(&state, made).await
}

async fn make(
    state: &ApiState,
    caller: &Caller,
    wanted: &Wanted<'_>,
    once: &Once,
) -> Answer<Response> {
    let env = &state.env;
    let url = checked(state, wanted.url).await?;
    let wanted = Wanted {
        url: &url,
        ..*wanted
    };
    let mut tx = env.db.begin().await?;
    let made = webhooks_out::create(&mut tx, env, &caller.organization, &wanted).await?;
    let made = made.map_err(|why| refuse(&why))?;
    let (id, secret) = (made.endpoint.id.clone(), made.secret.clone());
    let body = CreatedWebhookEndpoint::from(made);
    once.settle(&mut tx, &Kept::json(StatusCode::CREATED, &body)?)
        .await?;
    tx.commit().await?;
    tracing::info!(
        endpoint = id,
        by = caller.key_id,
        "a webhook endpoint was made"
    );
    body.reveal(state, &secret)
}

/// The URL as it will be asked for, if it may be.
pub(super) async fn checked(state: &ApiState, url: &str) -> Answer<String> {
    let checked = state.env.receivers.check(url).await;
    checked.map_err(|why| Problem::field(Code::UrlNotAllowed, "#/url", why))
}
