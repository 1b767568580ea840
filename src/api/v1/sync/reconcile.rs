//! `POST /v1/sync/reconcile`

use axum::{extract::State, response::Response};
use memberd_jobs::{kernel::outbox::NewJob, sync::ReconcileObjects};
use serde_json::json;

use super::model::has_stripe;
use crate::api::{
    Answer, ApiState, Caller, IdempotencyKey, NoQuery,
    v1::jobs::{Job, enqueue},
};

/// Repair the mirror
///
/// A job compares the mirror with Stripe, repairs what differs and reports it. While one runs, that one is answered.
#[utoipa::path(post, path = "/v1/sync/reconcile", tag = "sync", operation_id = "reconcile_sync",
    params(IdempotencyKey),
    responses(
        (status = 201, description = "The job.", body = Job),
        (status = 200, description = "The job that is already on it.", body = Job)))]
pub(super) async fn reconcile(
    State(state): State<ApiState>,
    caller: Caller,
    _: NoQuery,
    key: IdempotencyKey,
) -> Answer<Response> {
    has_stripe(&state, &caller)?;
    let job = ReconcileObjects {
        organization: Some(caller.organization.clone()),
    };
    let job = NewJob::of(&caller.organization, &job)?;
    enqueue(&state, &caller, key, &json!("reconcile_sync"), job).await
}
