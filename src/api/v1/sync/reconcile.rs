//! `POST /v1/sync/reconcile`

use axum::{extract::State, http::StatusCode};
use memberd_jobs::{kernel::outbox::NewJob, sync::ReconcileObjects};

use super::model::has_stripe;
use crate::api::{
    Answer, ApiState, Caller, Json, NoQuery,
    v1::jobs::{Job, enqueue},
};

/// Repair the mirror
///
/// A job compares the mirror with Stripe, repairs what differs and reports it. While one runs, that one is answered.
#[utoipa::path(post, path = "/v1/sync/reconcile", tag = "sync", operation_id = "reconcile_sync",
    responses(
        (status = 201, description = "The job.", body = Job),
        (status = 200, description = "The job that is already on it.", body = Job)))]
pub(super) async fn reconcile(
    State(state): State<ApiState>,
    caller: Caller,
    _: NoQuery,
) -> Answer<(StatusCode, Json<Job>)> {
    has_stripe(&state, &caller)?;
    let job = ReconcileObjects {
        organization: Some(caller.organization.clone()),
    };
    enqueue(&state, &caller, NewJob::of(&caller.organization, &job)?).await
}
