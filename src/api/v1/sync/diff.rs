//! `GET /v1/sync/diff`

use std::collections::BTreeMap;

use axum::extract::State;
use memberd_jobs::{
    kernel::ports::StripeError,
    sync::{self, DiffError, Drift},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::model::{has_stripe, no_stripe};
use crate::api::{Answer, ApiState, Caller, Code, Json, NoQuery, Problem, limits::DRIFT_SHOWN_MAX};

/// What differs between the mirror and Stripe.
#[derive(Serialize, ToSchema)]
pub(super) struct SyncDiff {
    /// Whether nothing differs.
    equal: bool,
    /// Objects that Stripe listed, by type.
    #[schema(example = json!({"customer": 120}))]
    compared: BTreeMap<&'static str, u64>,
    /// How many objects differ.
    #[schema(minimum = 0)]
    drifted: usize,
    /// The first of them.
    drift: Vec<DriftBody>,
}

/// One object that is not equal on both sides.
#[derive(Serialize, ToSchema)]
struct DriftBody {
    /// Stripe's word.
    #[schema(example = "subscription")]
    object_type: &'static str,
    /// Stripe's id.
    #[schema(example = "sub_123")]
    id: String,
    /// `missing` (Stripe has it, we do not), `extra` (we have it, Stripe does not) or `differs`.
    #[schema(example = "differs")]
    how: &'static str,
    /// The fields that differ; never their values.
    fields: Vec<String>,
}

impl From<Drift> for DriftBody {
    fn from(drift: Drift) -> Self {
        Self {
            object_type: drift.object_type,
            id: drift.id,
            how: drift.how,
            fields: drift.fields,
        }
    }
}

/// Compare the mirror with Stripe
///
/// Walks everything that Stripe has, now and within this request, and changes nothing. For large accounts use
/// `memberd sync diff`, which has no time limit.
#[utoipa::path(get, path = "/v1/sync/diff", tag = "sync", operation_id = "diff_sync",
    responses((status = 200, description = "What differs.", body = SyncDiff)))]
pub(super) async fn diff(
    State(state): State<ApiState>,
    caller: Caller,
    _: NoQuery,
) -> Answer<Json<SyncDiff>> {
    has_stripe(&state, &caller)?;
    let found = sync::diff(&state.env, &caller.organization)
        .await
        .map_err(|error| refuse(error, &caller))?;
    let drifted = found.drift.len();
    let shown = found.drift.into_iter().take(DRIFT_SHOWN_MAX);
    Ok(Json(SyncDiff {
        equal: drifted == 0,
        compared: found.compared,
        drifted,
        drift: shown.map(DriftBody::from).collect(),
    }))
}

fn refuse(error: DiffError, caller: &Caller) -> Problem {
    match error {
        DiffError::Db(error) => error.into(),
        DiffError::Stripe(StripeError::NotConfigured(_)) => no_stripe(&caller.organization),
        DiffError::Stripe(error) => Problem::new(
            Code::Overloaded,
            format!("the comparison could not be finished: {error}"),
        ),
    }
}
