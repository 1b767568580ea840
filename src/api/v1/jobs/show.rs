//! `GET /v1/jobs/{id}`

use axum::extract::State;
use memberd_jobs::kernel::queue::admin;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Job,
    model::{Attempt, found},
};
use crate::api::{Answer, ApiState, Caller, Json, NoQuery, Path};

/// A job with its attempts.
#[derive(Serialize, ToSchema)]
pub(super) struct JobDetails {
    #[serde(flatten)]
    job: Job,
    /// The attempts that did not complete it, oldest first.
    attempts: Vec<Attempt>,
}

/// Show a job
///
/// One job with its times, its report, and every attempt that failed.
#[utoipa::path(get, path = "/v1/jobs/{id}", tag = "jobs", operation_id = "show_job",
    params(("id" = String, Path, description = "The job's id.", example = "job_01JAAAAAAAAAAAAAAAAAAAAAAA")),
    responses((status = 200, description = "The job.", body = JobDetails)))]
pub(super) async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
) -> Answer<Json<JobDetails>> {
    let job = found(&state, &caller, &id).await?;
    let attempts = admin::attempts(&state.env.db, &id).await?;
    Ok(Json(JobDetails {
        job,
        attempts: attempts.into_iter().map(Attempt::from).collect(),
    }))
}
