//! An endpoint as the API shows it: its secrets only once.

use axum::{
    body::Body,
    http::{StatusCode, header},
    response::Response,
};
use http_body_util::BodyExt as _;
use memberd_jobs::{
    kernel::{Timestamp, ports::SigningSecret},
    webhooks_out::{
        Created,
        model::Disabled,
        store::{endpoints::Endpoint, secrets},
    },
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::types::{EventTypeWord, shown};
use crate::api::{
    Answer, ApiState, Caller, Closed, Kept, Problem, Text, Word,
    limits::{DESCRIPTION_CHARS_MAX, URL_CHARS_MAX},
};

/// Where events are sent.
pub(super) type Url = Text<URL_CHARS_MAX>;
/// What it is for, in words.
pub(super) type Description = Text<DESCRIPTION_CHARS_MAX>;

/// Why nothing is sent.
type DisabledWord = Word<Disabled>;

impl Closed for Disabled {
    const NAME: &'static str = "WebhookDisabledReason";
    const ABOUT: &'static str = "Why nothing is sent: somebody said so, it answered 410, or nothing but failures came for \
        five days.";
    const ALL: &'static [Self] = &Self::ALL;

    fn word(self) -> &'static str {
        self.as_str()
    }
}

/// A server that hears of events.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookEndpoint {
    /// Its id.
    #[schema(example = "whe_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    id: String,
    /// Where events are sent.
    #[schema(example = "https://example.org/hooks/memberd")]
    url: String,
    /// What it is for.
    description: Option<String>,
    /// Which types it wants; `*`: all.
    #[schema(value_type = Vec<EventTypeWord>)]
    event_types: Vec<String>,
    /// Whether anything is sent to it.
    enabled: bool,
    /// Since when nothing is.
    #[schema(value_type = Option<String>, format = DateTime)]
    disabled_at: Option<Timestamp>,
    /// Why not.
    #[schema(value_type = Option<DisabledWord>)]
    disabled_reason: Option<String>,
    /// Since when nothing but failures came; after five days it is disabled.
    #[schema(value_type = Option<String>, format = DateTime)]
    failing_since: Option<Timestamp>,
    /// Until when it is left alone: as long as it asked for, or while much that is pending is made due anew.
    #[schema(value_type = Option<String>, format = DateTime)]
    rests_until: Option<Timestamp>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<Endpoint> for WebhookEndpoint {
    fn from(row: Endpoint) -> Self {
        Self {
            event_types: shown(row.event_types()),
            id: row.id,
            url: row.url,
            description: row.description,
            enabled: row.disabled_at.is_none(),
            disabled_at: row.disabled_at,
            disabled_reason: row.disabled_reason,
            failing_since: row.failing_since,
            rests_until: row.rests_until,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// An endpoint with a secret that was made for it.
#[derive(Serialize, ToSchema)]
pub(super) struct CreatedWebhookEndpoint {
    #[serde(flatten)]
    endpoint: WebhookEndpoint,
    /// The secret's id.
    #[schema(example = "whs_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    secret_id: String,
    /// The secret that receivers check signatures with. It is shown this once; null when the answer is repeated after
    /// the secret has ended.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: Option<String>,
}

impl From<Created> for CreatedWebhookEndpoint {
    /// Without the secret: this is what is kept for repetitions.
    fn from(made: Created) -> Self {
        Self {
            endpoint: made.endpoint.into(),
            secret_id: made.secret.id,
            secret: None,
        }
    }
}

impl CreatedWebhookEndpoint {
    /// With the secret, for the caller alone.
    pub(super) fn reveal(mut self, state: &ApiState, secret: &SigningSecret) -> Answer<Response> {
        self.secret = state.env.receivers.reveal(secret);
        Ok(Kept::json(StatusCode::CREATED, &self)?.into_response())
    }
}

/// An answer that is given again, with the secret that was not kept with it.
pub(super) async fn reveal_again(
    state: &ApiState,
    caller: &Caller,
    response: Response,
) -> Answer<Response> {
    let (mut parts, body) = response.into_parts();
    let bytes = body
        .collect()
        .await
        .map_err(|error| Problem::internal(&error))?
        .to_bytes();
    let mut answer: Value =
        serde_json::from_slice(&bytes).map_err(|error| Problem::internal(&error))?;
    let id = answer["secret_id"].as_str().unwrap_or_default();
    let secret = secrets::get(&state.env.db, &caller.organization, id, state.env.now()).await?;
    answer["secret"] = secret
        .and_then(|secret| state.env.receivers.reveal(&secret))
        .into();
    parts.headers.remove(header::CONTENT_LENGTH);
    Ok(Response::from_parts(parts, Body::from(answer.to_string())))
}
