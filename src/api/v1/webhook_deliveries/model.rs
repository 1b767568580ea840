//! A delivery as the API shows it: when and how, never what was sent or with which secret.

use memberd_jobs::{
    kernel::Timestamp,
    webhooks_out::{model::State, store::deliveries::Delivery},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{Closed, Word};

/// Where a delivery is in its life.
pub(super) type DeliveryState = Word<State>;

impl Closed for State {
    const NAME: &'static str = "WebhookDeliveryState";
    const ABOUT: &'static str = "`pending`: an attempt will be made. `delivered`: the receiver answered with a status from \
        200 to 299. `failed`: it is given up.";
    const ALL: &'static [Self] = &Self::ALL;

    fn word(self) -> &'static str {
        self.as_str()
    }
}

/// One event on its way to one endpoint.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct WebhookDelivery {
    /// Its id.
    #[schema(example = "whd_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    id: String,
    /// The endpoint.
    #[schema(example = "whe_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    endpoint_id: String,
    /// The event: what the receiver sees as `webhook-id`, the same for every attempt.
    #[schema(example = "evt_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    event_id: String,
    /// The event's type.
    #[serde(rename = "type")]
    #[schema(example = "audience.member_joined")]
    kind: String,
    /// Where it is in its life.
    #[schema(value_type = DeliveryState)]
    state: String,
    /// Attempts made.
    #[schema(minimum = 0, example = 1)]
    attempts: i64,
    /// When the next attempt is made, if there is one.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
    /// What the last attempt came to.
    last_attempt: Option<LastAttempt>,
    /// When it was first wanted.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// What an attempt came to.
#[derive(Serialize, ToSchema)]
struct LastAttempt {
    /// When it ended.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The HTTP status of the answer, if there was one.
    #[schema(example = 200)]
    status_code: Option<i64>,
    /// What went wrong without an answer: `timeout`, `unreachable`, `not_allowed` (the host's address is refused),
    /// `too_large`, `event_deleted` or `endpoint_deleted`.
    #[schema(example = "timeout")]
    error: Option<String>,
    /// How long it took.
    #[schema(minimum = 0, example = 42)]
    milliseconds: Option<i64>,
}

impl From<Delivery> for WebhookDelivery {
    fn from(row: Delivery) -> Self {
        Self {
            next_attempt_at: Some(row.due_at).filter(|_| row.state == State::Pending.as_str()),
            last_attempt: row.attempted_at.map(|at| LastAttempt {
                at,
                status_code: row.status_code,
                error: row.error,
                milliseconds: row.took_ms,
            }),
            id: row.id,
            endpoint_id: row.endpoint_id,
            event_id: row.event_id,
            kind: row.kind,
            state: row.state,
            attempts: row.attempts,
            created_at: row.created_at,
        }
    }
}
