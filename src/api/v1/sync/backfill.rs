//! `POST /v1/sync/backfill`

use axum::{extract::State, response::Response};
use memberd_jobs::{kernel::outbox::NewJob, sync::BackfillObjects};
use serde_json::json;

use super::model::has_stripe;
use crate::api::{
    Answer, ApiState, Caller, IdempotencyKey, NoQuery,
    v1::jobs::{Job, enqueue},
};

/// Fill the mirror
///
/// A job walks everything that Stripe has, and resumes where it was stopped. While one runs, that one is answered.
#[utoipa::path(post, path = "/v1/sync/backfill", tag = "sync", operation_id = "backfill_sync",
    params(IdempotencyKey),
    responses(
        (status = 201, description = "The job.", body = Job),
        (status = 200, description = "The job that is already on it.", body = Job)))]
pub(super) async fn backfill(
    State(state): State<ApiState>,
    caller: Caller,
    _: NoQuery,
    key: IdempotencyKey,
) -> Answer<Response> {
    has_stripe(&state, &caller)?;
    let job = BackfillObjects::default();
    let job = NewJob::of(&caller.organization, &job)?;
    enqueue(&state, &caller, key, &json!("backfill_sync"), job).await
}
