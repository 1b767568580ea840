//! `GET /v1/members/{id}/sync`

use axum::extract::State;
use memberd_jobs::{
    kernel::Timestamp,
    sync::store::read::{self as mirror, CustomerSync},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::model::found;
use crate::api::{Answer, ApiState, Caller, Closed, Json, NoQuery, Path, Word};

/// How a member's payments are mirrored.
#[derive(Serialize, ToSchema)]
pub(super) struct MemberSync {
    /// The member.
    #[schema(example = "mem_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    member_id: String,
    /// All in one word.
    state: SyncWord,
    /// Her customers at Stripe.
    customers: Vec<CustomerBody>,
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
    /// Events that failed.
    #[schema(minimum = 0)]
    failed_events: i64,
}

/// How well a member's payments are mirrored.
#[derive(Clone, Copy)]
pub(super) enum SyncState {
    Synced,
    Pending,
    Failed,
    Unlinked,
}

type SyncWord = Word<SyncState>;

impl Closed for SyncState {
    const NAME: &'static str = "MemberSyncState";
    const ABOUT: &'static str = "`synced`: nothing is waiting. `pending`: events are being worked on. `failed`: \
        one failed, see the jobs. `unlinked`: she has no customer at Stripe.";
    const ALL: &'static [Self] = &[Self::Synced, Self::Pending, Self::Failed, Self::Unlinked];

    fn word(self) -> &'static str {
        match self {
            Self::Synced => "synced",
            Self::Pending => "pending",
            Self::Failed => "failed",
            Self::Unlinked => "unlinked",
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

fn overall(customers: &[CustomerSync]) -> SyncState {
    if customers.is_empty() {
        SyncState::Unlinked
    } else if customers.iter().any(|customer| customer.failed_events > 0) {
        SyncState::Failed
    } else if customers.iter().any(|customer| customer.pending_events > 0) {
        SyncState::Pending
    } else {
        SyncState::Synced
    }
}

/// Show how a member's payments are mirrored
///
/// Her customers at Stripe, when they were last known to be true, and what is still waiting or failed.
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
    let rows = mirror::customers_of(&state.env.db, &caller.organization, &member.id).await?;
    Ok(Json(MemberSync {
        member_id: member.id,
        state: Word(overall(&rows)),
        customers: rows.into_iter().map(CustomerBody::from).collect(),
    }))
}
