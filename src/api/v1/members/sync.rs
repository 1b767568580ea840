//! `GET /v1/members/{id}/sync`

use axum::extract::State;
use memberd_jobs::{
    kernel::Timestamp,
    sync::{
        self, SyncState,
        store::standing::{CustomerSync, LastEvent, Standing},
    },
};
use serde::Serialize;
use utoipa::ToSchema;

use super::model::found;
use crate::api::{
    Answer, ApiState, Caller, Closed, Json, NoQuery, Path, Word, v1::sync::LinkConflict,
};

/// How a member's payments are mirrored.
#[derive(Serialize, ToSchema)]
pub(super) struct MemberSync {
    /// The member.
    #[schema(example = "mem_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    member_id: String,
    /// All in one word: the worst that is true.
    state: SyncWord,
    /// How fresh it is.
    #[serde(flatten)]
    freshness: Freshness,
    /// Objects of hers of which a comparison found that Stripe says something else; they are being fetched.
    drift: Vec<DriftingObject>,
    /// Why the last event about her failed, while nothing newer is known.
    last_error: Option<String>,
    /// When Stripe will be asked next without an event's asking for it.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_check_at: Option<Timestamp>,
    /// Her customers at Stripe.
    customers: Vec<CustomerBody>,
    /// Where the sources of her customers do not agree about whose they are.
    link_conflicts: Vec<LinkConflict>,
}

/// How fresh what is known of a member is.
#[derive(Serialize, ToSchema)]
pub(super) struct Freshness {
    /// Stripe's time at which the oldest of her customers and running subscriptions was last known to be true; null
    /// when she has none.
    #[schema(value_type = Option<String>, format = DateTime)]
    as_of: Option<Timestamp>,
    /// The last event about her.
    last_event: Option<LastEventBody>,
    /// When the last whole comparison with Stripe ended; null: there was none.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_reconciled_at: Option<Timestamp>,
    /// Events about her that nothing came of yet.
    #[schema(minimum = 0)]
    pending_events: i64,
}

/// An event of Stripe's about a member.
#[derive(Serialize, ToSchema)]
struct LastEventBody {
    /// Its id.
    #[schema(example = "evt_123")]
    id: String,
    /// Its type.
    #[serde(rename = "type")]
    #[schema(example = "invoice.paid")]
    kind: String,
    /// What became of it: `new`, `applied`, `ignored`, `wrong_mode`, `foreign` or `failed`.
    #[schema(example = "applied")]
    state: String,
    /// When it happened at Stripe.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was received.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
}

/// An object that differs from Stripe's.
#[derive(Serialize, ToSchema)]
struct DriftingObject {
    /// Stripe's word.
    #[schema(example = "subscription")]
    object_type: String,
    /// Its id.
    #[schema(example = "sub_123")]
    object_id: String,
}

/// A member's customer at Stripe, as far as it is known.
#[derive(Serialize, ToSchema)]
struct CustomerBody {
    /// Stripe's id.
    #[schema(example = "cus_123")]
    id: String,
    /// How it was linked to her: `metadata`, `foreign_key`, `email`, `created` or `email_taken`.
    #[schema(example = "metadata")]
    link: String,
    /// Stripe's time at which it was last known to be true.
    #[schema(value_type = Option<String>, format = DateTime)]
    as_of: Option<Timestamp>,
    /// Whether Stripe has deleted it.
    deleted: bool,
    /// Events about it, its subscriptions and invoices that nothing came of yet.
    #[schema(minimum = 0)]
    pending_events: i64,
    /// Events that failed, while nothing newer is known.
    #[schema(minimum = 0)]
    failed_events: i64,
}

pub(super) type SyncWord = Word<SyncState>;

impl Closed for SyncState {
    const NAME: &'static str = "MemberSyncState";
    const ABOUT: &'static str = "`in_sync`: nothing waits, failed or is known to differ. `pending`: events are being \
        worked on. `drift`: a comparison found a difference, which is being mended. `error`: an event failed, see \
        `last_error`. `foreign`: her customer's metadata names another organization's member. `no_customer`: she has \
        none at Stripe.";
    const ALL: &'static [Self] = &Self::ALL;

    fn word(self) -> &'static str {
        self.as_str()
    }
}

impl Freshness {
    pub(super) fn of(standing: &Standing) -> Self {
        Self {
            as_of: standing.as_of(),
            last_event: standing.last_event.clone().map(LastEventBody::from),
            last_reconciled_at: standing.reconciled_at,
            pending_events: standing.pending_events(),
        }
    }
}

impl From<LastEvent> for LastEventBody {
    fn from(row: LastEvent) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            state: row.state,
            created_at: row.created_at,
            received_at: row.received_at,
        }
    }
}

impl From<CustomerSync> for CustomerBody {
    fn from(row: CustomerSync) -> Self {
        Self {
            id: row.id,
            link: row.link,
            as_of: row.as_of,
            deleted: row.deleted,
            pending_events: row.pending_events,
            failed_events: row.failed_events,
        }
    }
}

/// Show how a member's payments are mirrored
///
/// Her payment-sync status: in a word, with its age, what waits, what failed, what differs, and when Stripe will be
/// asked next.
#[utoipa::path(get, path = "/v1/members/{id}/sync", tag = "members", operation_id = "member_sync",
    params(("id" = String, Path, description = "Her id, or `ext:<provider>:<id>`.", example = "ext:stripe:cus_123")),
    responses((status = 200, description = "The state of the mirror.", body = MemberSync)))]
pub(super) async fn sync(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
) -> Answer<Json<MemberSync>> {
    let member = found(&state, &caller, &id).await?;
    let known = sync::standing(&state.env, &caller.organization, &member.id).await?;
    let standing = known.standing;
    let drift = standing
        .drift
        .iter()
        .map(|(object_type, object_id)| DriftingObject {
            object_type: object_type.clone(),
            object_id: object_id.clone(),
        });
    Ok(Json(MemberSync {
        member_id: member.id,
        state: Word(known.state),
        freshness: Freshness::of(&standing),
        drift: drift.collect(),
        last_error: standing.last_error().map(str::to_owned),
        next_check_at: standing.next_check_at,
        customers: standing
            .customers
            .into_iter()
            .map(CustomerBody::from)
            .collect(),
        link_conflicts: known
            .conflicts
            .into_iter()
            .map(LinkConflict::from)
            .collect(),
    }))
}
