//! `GET /v1/jobs/{id}`

use axum::extract::State;
use memberd_jobs::kernel::queue::admin;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Job,
    model::{Attempt, not_found},
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
    let env = &state.env;
    let job = admin::show(&env.db, &caller.organization, &id, env.now()).await?;
    let job = job.ok_or_else(|| not_found(&id))?;
    let attempts = admin::attempts(&env.db, &id).await?;
    Ok(Json(JobDetails {
        job: job.into(),
        attempts: attempts.into_iter().map(Attempt::from).collect(),
    }))
}
