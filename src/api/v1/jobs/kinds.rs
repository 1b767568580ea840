//! `GET /v1/jobs/kinds`

use axum::extract::State;
use memberd_jobs::kernel::JobDef;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{ApiState, Json, NoQuery, Page, QueueWord, Word};

/// A kind of job.
#[derive(Serialize, ToSchema)]
pub(super) struct JobKind {
    /// Its name.
    #[schema(example = "housekeeping.prune_jobs")]
    kind: &'static str,
    /// What it does.
    about: &'static str,
    /// Where its jobs wait.
    queue: QueueWord,
    /// Attempts its jobs may have.
    #[schema(minimum = 1, example = 10)]
    max_attempts: u32,
    /// Seconds after which a run is stopped.
    #[schema(minimum = 0, example = 60.0)]
    timeout_seconds: f64,
    /// Whether two of its jobs with the same key never run at once.
    exclusive: bool,
}

impl From<&JobDef> for JobKind {
    fn from(def: &JobDef) -> Self {
        Self {
            kind: def.kind,
            about: def.about,
            queue: Word(def.queue),
            max_attempts: def.retry.attempts,
            timeout_seconds: def.timeout.as_secs_f64(),
            exclusive: def.exclusive,
        }
    }
}

/// List the kinds of jobs
///
/// Every kind of job that this version can run, by name. The list is always one page.
#[utoipa::path(get, path = "/v1/jobs/kinds", tag = "jobs", operation_id = "list_job_kinds",
    responses((status = 200, description = "The kinds.", body = Page<JobKind>)))]
pub(super) async fn kinds(State(state): State<ApiState>, _: NoQuery) -> Json<Page<JobKind>> {
    Json(Page::whole(
        state.registry.jobs().map(JobKind::from).collect(),
    ))
}
