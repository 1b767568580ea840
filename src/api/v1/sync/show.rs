//! `GET /v1/sync`

use axum::extract::State;
use memberd_jobs::{
    kernel::Timestamp,
    sync::store::{
        conflicts,
        cursors::{self, Cursor},
        parked::{self, Parked},
        runs::{self, DriftRow, Run},
        status,
    },
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{Answer, ApiState, Caller, Json, NoQuery};

/// Reconciliations shown.
const RECONCILIATIONS_SHOWN: i64 = 5;

/// Fields shown of what they found.
const DRIFT_SHOWN: i64 = 50;

/// How the mirror of Stripe is doing.
#[derive(Serialize, ToSchema)]
pub(super) struct SyncStatus {
    /// Whether the organization has a key for Stripe.
    has_stripe: bool,
    /// Why its work waits, if Stripe refuses its key.
    parked: Option<ParkedOrganization>,
    /// What is mirrored, by type.
    objects: Vec<MirroredType>,
    /// What Stripe told us, by what became of it.
    events: Vec<EventCount>,
    /// How far walks over Stripe's lists have come.
    walks: Vec<Walk>,
    /// Customers whose member is not plain; `GET /v1/sync/conflicts` lists them.
    #[schema(minimum = 0)]
    link_conflicts: i64,
    /// The latest reconciliations, newest first.
    reconciliations: Vec<Reconciliation>,
    /// What they found last, newest first, one entry for each field.
    drift: Vec<DriftedField>,
}

/// Stripe refuses the organization's key: its work waits until the key works again.
#[derive(Serialize, ToSchema)]
struct ParkedOrganization {
    /// What Stripe said.
    #[schema(
        example = "stripe refused the request with 401 api_key_expired: Expired API Key provided (request req_1)"
    )]
    reason: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
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
    /// `events`, or `backfill:` or `reconcile:` and a type; `unseen:` and a type where so many objects are not in
    /// Stripe's lists that they are asked for by turns.
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

/// A comparison of the whole mirror with Stripe.
#[derive(Serialize, ToSchema)]
struct Reconciliation {
    /// Its id.
    #[schema(example = "rec_01M7ZJK1G5GDAE5TJENKM54V19")]
    id: String,
    /// `running`, `done`, or `abandoned` when it was broken off and the next one began anew.
    #[schema(example = "done")]
    state: String,
    /// Objects that Stripe listed and that were compared.
    #[schema(minimum = 0)]
    objects: i64,
    /// Objects that differed although no event was on its way; they were repaired.
    #[schema(minimum = 0)]
    drifted: i64,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
}

impl From<Run> for Reconciliation {
    fn from(run: Run) -> Self {
        Self {
            id: run.id,
            state: run.state,
            objects: run.objects,
            drifted: run.drifted,
            started_at: run.started_at,
            finished_at: run.finished_at,
        }
    }
}

/// A field that was not equal on both sides.
#[derive(Serialize, ToSchema)]
struct DriftedField {
    /// The reconciliation that found it.
    #[schema(example = "rec_01M7ZJK1G5GDAE5TJENKM54V19")]
    reconciliation: String,
    /// Stripe's word.
    #[schema(example = "subscription")]
    object_type: String,
    /// Stripe's id.
    #[schema(example = "sub_123")]
    object_id: String,
    /// The field; `object` when one side had no such object.
    #[schema(example = "status")]
    field: String,
    /// What we held; only how much of it where it could be personal.
    #[schema(example = "active")]
    ours: Option<String>,
    /// What Stripe said; only how much of it where it could be personal.
    #[schema(example = "canceled")]
    stripes: Option<String>,
    /// `no_event` when no event told of it, `failed_event` when one did and could not be applied.
    #[schema(example = "no_event")]
    cause: String,
    /// When it was found.
    #[schema(value_type = String, format = DateTime)]
    found_at: Timestamp,
}

impl From<DriftRow> for DriftedField {
    fn from(row: DriftRow) -> Self {
        Self {
            reconciliation: row.run_id,
            object_type: row.object_type,
            object_id: row.object_id,
            field: row.field,
            ours: row.ours,
            stripes: row.stripes,
            cause: row.cause,
            found_at: row.found_at,
        }
    }
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
/// What is mirrored, what was received, how far backfill and reconciliation have come, and in what the mirror differed.
#[utoipa::path(get, path = "/v1/sync", tag = "sync", operation_id = "show_sync",
    responses((status = 200, description = "The state of the mirror.", body = SyncStatus)))]
pub(super) async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    _: NoQuery,
) -> Answer<Json<SyncStatus>> {
    let (db, organization) = (&state.env.db, &caller.organization);
    let settings = state.env.settings.organizations.get(organization);
    let has_stripe = settings.is_some_and(|known| known.has_stripe);
    // Without a key nothing waits for one that works.
    let parked = parked::get(db, organization).await?.filter(|_| has_stripe);
    let objects = status::objects(db, organization).await?;
    let events = status::events(db, organization).await?;
    let walks = cursors::all(db, organization).await?;
    let reconciliations = runs::latest(db, organization, RECONCILIATIONS_SHOWN).await?;
    let drift = runs::drift(db, organization, DRIFT_SHOWN).await?;
    Ok(Json(SyncStatus {
        has_stripe,
        parked: parked.map(|Parked { reason, since }| ParkedOrganization { reason, since }),
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
        reconciliations: reconciliations
            .into_iter()
            .map(Reconciliation::from)
            .collect(),
        drift: drift.into_iter().map(DriftedField::from).collect(),
    }))
}
