//! `GET /v1/sync`

use axum::extract::State;
use memberd_jobs::{
    kernel::Timestamp,
    sync::store::{
        conflicts,
        cursors::{self, Cursor},
        status,
    },
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{Answer, ApiState, Caller, Json, NoQuery};

/// How the mirror of Stripe is doing.
#[derive(Serialize, ToSchema)]
pub(super) struct SyncStatus {
    /// Whether the organization has a key for Stripe.
    has_stripe: bool,
    /// What is mirrored, by type.
    objects: Vec<MirroredType>,
    /// What Stripe told us, by what became of it.
    events: Vec<EventCount>,
    /// How far walks over Stripe's lists have come.
    walks: Vec<Walk>,
    /// Customers whose member is not plain; `GET /v1/sync/conflicts` lists them.
    #[schema(minimum = 0)]
    link_conflicts: i64,
}

/// Mirrored objects of one type.
#[derive(Serialize, ToSchema)]
struct MirroredType {
    /// Stripe's word.
    #[schema(example = "subscription")]
    object_type: String,
    /// Living objects.
    #[schema(minimum = 0)]
    count: i64,
    /// Stripe's time at which the oldest of them was known to be true.
    #[schema(value_type = String, format = DateTime)]
    oldest_as_of: Timestamp,
}

/// Received events in one state.
#[derive(Serialize, ToSchema)]
struct EventCount {
    /// The state.
    #[schema(example = "applied")]
    state: String,
    /// How many.
    #[schema(minimum = 0)]
    count: i64,
    /// When the last of them was received.
    #[schema(value_type = String, format = DateTime)]
    last_received_at: Timestamp,
}

/// A walk over one of Stripe's lists.
#[derive(Serialize, ToSchema)]
struct Walk {
    /// `events`, or `backfill:` or `reconcile:` and a type.
    #[schema(example = "backfill:customer")]
    stream: String,
    /// `running` or `done`.
    #[schema(example = "done")]
    state: String,
    /// Objects seen.
    #[schema(minimum = 0)]
    objects: i64,
    /// When it began, in Stripe's time.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When it last came further.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<Cursor> for Walk {
    fn from(row: Cursor) -> Self {
        Self {
            stream: row.stream,
            state: row.state,
            objects: row.objects,
            started_at: row.started_at,
            updated_at: row.updated_at,
        }
    }
}

/// Show how the mirror of Stripe is doing
///
/// What is mirrored, what was received, and how far backfill and reconciliation have come.
#[utoipa::path(get, path = "/v1/sync", tag = "sync", operation_id = "show_sync",
    responses((status = 200, description = "The state of the mirror.", body = SyncStatus)))]
pub(super) async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    _: NoQuery,
) -> Answer<Json<SyncStatus>> {
    let (db, organization) = (&state.env.db, &caller.organization);
    let settings = state.env.settings.organizations.get(organization);
    let objects = status::objects(db, organization).await?;
    let events = status::events(db, organization).await?;
    let walks = cursors::all(db, organization).await?;
    Ok(Json(SyncStatus {
        has_stripe: settings.is_some_and(|known| known.has_stripe),
        objects: objects
            .into_iter()
            .map(|(object_type, count, oldest_as_of)| MirroredType {
                object_type,
                count,
                oldest_as_of,
            })
            .collect(),
        events: events
            .into_iter()
            .map(|(state, count, last_received_at)| EventCount {
                state,
                count,
                last_received_at,
            })
            .collect(),
        walks: walks.into_iter().map(Walk::from).collect(),
        link_conflicts: conflicts::count(db, organization).await?,
    }))
}
