//! `POST /v1/jobs/{id}/cancel`

use axum::{extract::State, response::Response};
use memberd_jobs::kernel::queue::admin::Action;

use super::{Job, model::act};
use crate::api::{Answer, ApiState, Caller, IdempotencyKey, NoQuery, Path};

/// Cancel a job
///
/// What waits is cancelled at once. What runs is asked to stop and answered as still running; it is cancelled when it
/// has stopped.
#[utoipa::path(post, path = "/v1/jobs/{id}/cancel", tag = "jobs", operation_id = "cancel_job",
    params(("id" = String, Path, description = "The job's id.", example = "job_01JAAAAAAAAAAAAAAAAAAAAAAA"),
        IdempotencyKey),
    responses((status = 200, description = "The job, cancelled or asked to stop.", body = Job)))]
pub(super) async fn cancel(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
    key: IdempotencyKey,
) -> Answer<Response> {
    act(&state, &caller, key, Action::Cancel, id).await
}
