//! `POST /v1/sync/backfill`

use axum::{extract::State, http::StatusCode};
use memberd_jobs::{kernel::outbox::NewJob, sync::BackfillObjects};

use super::model::has_stripe;
use crate::api::{
    Answer, ApiState, Caller, Json, NoQuery,
    v1::jobs::{Job, enqueue},
};

/// Fill the mirror
///
/// A job walks everything that Stripe has, and resumes where it was stopped. While one runs, that one is answered.
#[utoipa::path(post, path = "/v1/sync/backfill", tag = "sync", operation_id = "backfill_sync",
    responses(
        (status = 201, description = "The job.", body = Job),
        (status = 200, description = "The job that is already on it.", body = Job)))]
pub(super) async fn backfill(
    State(state): State<ApiState>,
    caller: Caller,
    _: NoQuery,
) -> Answer<(StatusCode, Json<Job>)> {
    has_stripe(&state, &caller)?;
    let job = BackfillObjects::default();
    enqueue(&state, &caller, NewJob::of(&caller.organization, &job)?).await
}
