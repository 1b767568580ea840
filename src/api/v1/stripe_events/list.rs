//! `GET /v1/stripe-events`

use axum::extract::State;
use memberd_jobs::{
    kernel::Timestamp,
    sync::store::read::{self as mirror, EventFilter, EventRow},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::{Answer, ApiState, Caller, Closed, Cursor, Json, Limit, Page, Query, Word, place};

/// What became of a received event.
#[derive(Clone, Copy)]
pub(super) struct EventState(&'static str);

type EventStateWord = Word<EventState>;

impl Closed for EventState {
    const NAME: &'static str = "StripeEventState";
    const ABOUT: &'static str = "`new`: not acted on yet. `applied`: its object is mirrored. `ignored`: its object is \
        not mirrored. `wrong_mode`: of live mode where test mode is expected, or the reverse. `foreign`: of another \
        account. `failed`: nothing came of it.";
    const ALL: &'static [Self] = &[
        Self("new"),
        Self("applied"),
        Self("ignored"),
        Self("wrong_mode"),
        Self("foreign"),
        Self("failed"),
    ];

    fn word(self) -> &'static str {
        self.0
    }
}

/// A received event, without its body.
#[derive(Serialize, ToSchema)]
pub(super) struct StripeEvent {
    /// Stripe's id.
    #[schema(example = "evt_123")]
    id: String,
    /// Its type.
    #[serde(rename = "type")]
    #[schema(example = "invoice.paid")]
    kind: String,
    /// Stripe's word for the object it is about.
    #[schema(example = "invoice")]
    object_type: Option<String>,
    /// The object's id.
    #[schema(example = "in_123")]
    object_id: Option<String>,
    /// What became of it.
    #[schema(value_type = EventStateWord)]
    state: String,
    /// How it came: `webhook`, or `poll` for those that no webhook brought.
    #[schema(example = "webhook")]
    source: String,
    /// The connected account it came from; empty for the organization's own.
    account: String,
    /// Whether it is of live mode.
    livemode: bool,
    /// The API version it was rendered in.
    api_version: Option<String>,
    /// When it happened at Stripe.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was received.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    /// When it was acted on.
    #[schema(value_type = Option<String>, format = DateTime)]
    applied_at: Option<Timestamp>,
    /// Why nothing came of it.
    error: Option<String>,
}

impl From<EventRow> for StripeEvent {
    fn from(row: EventRow) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            object_type: row.object_type,
            object_id: row.object_id,
            state: row.state,
            source: row.source,
            account: row.account,
            livemode: row.livemode,
            api_version: row.api_version,
            created_at: row.created_at,
            received_at: row.received_at,
            applied_at: row.applied_at,
            error: row.error,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filters {
    /// Events in this state.
    #[param(inline)]
    state: Option<EventStateWord>,
    /// Events of this type.
    #[serde(rename = "type")]
    #[param(example = "invoice.paid")]
    kind: Option<String>,
    /// Events about this object.
    #[param(example = "in_123")]
    object_id: Option<String>,
    /// Rows of the page.
    #[param(inline)]
    #[serde(default)]
    limit: Limit,
    /// `next_cursor` of the page before.
    #[param(inline)]
    cursor: Option<Cursor>,
}

/// List received Stripe events
///
/// What Stripe told us and what became of it, the latest received first. Bodies are not shown: they are personal.
#[utoipa::path(get, path = "/v1/stripe-events", tag = "stripe-events", operation_id = "list_stripe_events",
    params(Filters), responses((status = 200, description = "A page of events.", body = Page<StripeEvent>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(filters): Query<Filters>,
) -> Answer<Json<Page<StripeEvent>>> {
    let list = caller.list("stripe-events");
    let before = list.place(filters.cursor.as_ref())?;
    let filter = EventFilter {
        id: None,
        state: filters.state.map(|word| word.0.word()),
        kind: filters.kind.as_deref(),
        object_id: filters.object_id.as_deref(),
    };
    let rows = mirror::events(
        &state.env.db,
        &caller.organization,
        &filter,
        before.as_ref().map(|(time, id)| (*time, id.as_str())),
        filters.limit.fetch(),
    )
    .await?;
    Ok(Json(list.page(
        rows,
        filters.limit,
        |row| place(row.received_at, &row.id),
        StripeEvent::from,
    )))
}
