//! `POST /v1/jobs/{id}/retry`

use axum::{extract::State, response::Response};
use memberd_jobs::kernel::queue::admin::Action;

use super::{Job, model::act};
use crate::api::{Answer, ApiState, Caller, IdempotencyKey, NoQuery, Path};

/// Retry a job
///
/// What waits becomes due now. What was cancelled or discarded waits again under its old id, with at least one attempt
/// left; if another job with the same key already waits, that one is answered.
#[utoipa::path(post, path = "/v1/jobs/{id}/retry", tag = "jobs", operation_id = "retry_job",
    params(("id" = String, Path, description = "The job's id.", example = "job_01JAAAAAAAAAAAAAAAAAAAAAAA"),
        IdempotencyKey),
    responses((status = 200, description = "The job, waiting again.", body = Job)))]
pub(super) async fn retry(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
    key: IdempotencyKey,
) -> Answer<Response> {
    act(&state, &caller, key, Action::Retry, id).await
}
