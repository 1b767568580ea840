//! `PATCH /v1/webhook-endpoints/{id}`

use axum::extract::State;
use memberd_jobs::webhooks_out::{
    self, Refused,
    store::endpoints::{self, Wanted},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    create::checked,
    model::{Description, Url, WebhookEndpoint},
    refuse,
    types::EventTypes,
};
use crate::api::{Answer, ApiState, Caller, Json, NoQuery, Path, words::Change};

/// What to change; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"event_types": ["*"], "enabled": true}))]
pub(super) struct WebhookEndpointEdit {
    /// Where events are sent.
    url: Option<Url>,
    /// What it is for; null removes it.
    #[serde(default)]
    #[schema(value_type = Option<Description>)]
    description: Change<Description>,
    /// Which types it wants; empty: all.
    event_types: Option<EventTypes>,
    /// Whether anything is sent to it. `true` also forgives what it did: it counts as if it had never failed.
    enabled: Option<bool>,
}

/// Change a webhook endpoint
///
/// Once it is enabled again, it gets what was pending when it was disabled. What happened in between it gets by a replay.
#[utoipa::path(patch, path = "/v1/webhook-endpoints/{id}", tag = "webhooks",
    operation_id = "update_webhook_endpoint", request_body = WebhookEndpointEdit,
    params(("id" = String, Path, description = "Its id.", example = "whe_01JAAAAAAAAAAAAAAAAAAAAAAA")),
    responses((status = 200, description = "The endpoint.", body = WebhookEndpoint)))]
pub(super) async fn update(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
    Json(body): Json<WebhookEndpointEdit>,
) -> Answer<Json<WebhookEndpoint>> {
    let (env, organization) = (&state.env, &caller.organization);
    let url = match &body.url {
        Some(url) => Some(checked(&state, &url.0).await?),
        None => None,
    };
    let none = || refuse(&Refused::NoEndpoint(id.clone()));
    let mut tx = env.db.begin().await?;
    let row = endpoints::lock(&mut tx, organization, &id)
        .await?
        .ok_or_else(none)?;
    let description = match body.description {
        Change::Keep => row.description.clone(),
        Change::To(text) => text.map(|text| text.0),
    };
    let types = match &body.event_types {
        Some(types) => types.some(),
        None => row.event_types(),
    };
    let wanted = Wanted {
        url: url.as_deref().unwrap_or(&row.url),
        description: description.as_deref(),
        event_types: types.as_deref(),
    };
    webhooks_out::update(&mut tx, env, organization, &id, &wanted).await?;
    if let Some(enabled) = body.enabled {
        webhooks_out::set_enabled(&mut tx, env, organization, &id, enabled).await?;
    }
    let row = endpoints::lock(&mut tx, organization, &id)
        .await?
        .ok_or_else(none)?;
    tx.commit().await?;
    tracing::info!(
        endpoint = id,
        by = caller.key_id,
        "a webhook endpoint was changed"
    );
    Ok(Json(row.into()))
}
