//! A job as the API shows it.

use axum::{http::StatusCode, response::Response};
use memberd_jobs::kernel::{
    Timestamp,
    db::Tx,
    outbox::{self, Enqueued, NewJob},
    queue::admin::{self, Acted, Action, JobAttempt, JobRow},
};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::api::{
    Answer, ApiState, Begun, Caller, Code, IdempotencyKey, Kept, Once, Problem, QueueWord,
    StateWord,
};

/// A job.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct Job {
    /// Its id.
    #[schema(example = "job_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    id: String,
    /// What it does; `GET /v1/jobs/kinds` lists the kinds.
    #[schema(example = "housekeeping.prune_jobs")]
    kind: String,
    /// Its lane.
    #[schema(value_type = QueueWord)]
    queue: String,
    /// Where it is in its life.
    #[schema(value_type = StateWord)]
    state: String,
    /// Its arguments.
    #[schema(value_type = Object)]
    args: Value,
    /// Lower runs first.
    #[schema(example = 0)]
    priority: i64,
    /// Attempts begun.
    #[schema(minimum = 0, example = 1)]
    attempt: i64,
    /// Attempts it may have.
    #[schema(minimum = 1, example = 10)]
    max_attempts: i64,
    /// When it may run, while it waits or runs.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-01-15T10:30:00Z")]
    due_at: Option<Timestamp>,
    /// The node that runs it.
    node: Option<String>,
    /// When somebody asked to cancel it while it ran.
    #[schema(value_type = Option<String>, format = DateTime)]
    cancel_requested_at: Option<Timestamp>,
    /// The member it is about.
    member_id: Option<String>,
    /// The schedule that fired it.
    schedule: Option<String>,
    /// When it was enqueued.
    #[schema(value_type = String, format = DateTime, example = "2026-01-15T10:30:00Z")]
    created_at: Timestamp,
    /// When its last attempt began.
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
    /// When it finished.
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
    /// Why it was given up, or why the last attempt failed.
    error: Option<String>,
    /// What the run told about itself: counts and notes.
    #[schema(value_type = Option<Object>)]
    report: Value,
}

/// An attempt that did not complete its job.
#[derive(Serialize, ToSchema)]
pub(super) struct Attempt {
    /// Which attempt, from 1.
    #[schema(minimum = 1)]
    number: i64,
    /// How it ended: `retry` or `discarded`.
    #[schema(example = "retry")]
    outcome: String,
    /// Why it failed.
    error: String,
    /// The node that ran it.
    node: String,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When it ended.
    #[schema(value_type = String, format = DateTime)]
    ended_at: Timestamp,
}

impl From<JobRow> for Job {
    fn from(row: JobRow) -> Self {
        let json = |text: &str| serde_json::from_str(text).unwrap_or_default();
        Self {
            args: json(&row.args),
            report: row.report.as_deref().map_or(Value::Null, json),
            id: row.id,
            kind: row.kind,
            queue: row.queue,
            state: row.state,
            priority: row.priority,
            attempt: row.attempt,
            max_attempts: row.max_attempts,
            due_at: row.due_at,
            node: row.owner,
            cancel_requested_at: row.cancel_requested_at,
            member_id: row.member_id,
            schedule: row.schedule,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            error: row.error,
        }
    }
}

impl From<JobAttempt> for Attempt {
    fn from(row: JobAttempt) -> Self {
        Self {
            number: row.attempt,
            outcome: row.outcome,
            error: row.error,
            node: row.owner,
            started_at: row.started_at,
            ended_at: row.ended_at,
        }
    }
}

/// The job with this id in the caller's organization, as a transaction sees it.
pub(in crate::api::v1) async fn shown(
    tx: &mut Tx,
    state: &ApiState,
    caller: &Caller,
    id: &str,
) -> Answer<Job> {
    admin::show_in(tx, &caller.organization, id, state.env.now())
        .await?
        .map(Job::from)
        .ok_or_else(|| not_found(id))
}

/// Does something to one job; answers the job afterwards, or the one it folded into.
pub(super) async fn act(
    state: &ApiState,
    caller: &Caller,
    key: IdempotencyKey,
    action: Action,
    id: String,
) -> Answer<Response> {
    let asked = match action {
        Action::Retry => json!({ "retry_job": id }),
        Action::Cancel => json!({ "cancel_job": id }),
    };
    let once = match key.begin(state, caller, &asked).await? {
        Begun::First(once) => once,
        Begun::Replayed(response) => return Ok(response),
    };
    let acted = act_first(state, caller, action, &[id], &once).await;
    Ok(once.ended(state, acted).await?.into_response())
}

async fn act_first(
    state: &ApiState,
    caller: &Caller,
    action: Action,
    ids: &[String; 1],
    once: &Once,
) -> Answer<Kept> {
    let env = &state.env;
    let mut tx = env.db.begin().await?;
    let acted = admin::act(&mut tx, &caller.organization, action, ids, env.now()).await?;
    let [id] = ids;
    let job = match acted.get(id) {
        Some(Acted::Done) => shown(&mut tx, state, caller, id).await?,
        Some(Acted::Folded(holder)) => shown(&mut tx, state, caller, holder).await?,
        Some(Acted::Running) => {
            let detail = format!("job {id} is running: cancel it or wait for its end");
            return Err(Problem::new(Code::JobRunning, detail));
        }
        Some(Acted::Final) => {
            return Err(Problem::new(Code::JobFinal, format!("job {id} has ended")));
        }
        Some(Acted::NotFound) | None => return Err(not_found(id)),
    };
    let kept = Kept::json(StatusCode::OK, &job)?;
    once.settle(&mut tx, &kept).await?;
    tx.commit().await?;
    Ok(kept)
}

/// Enqueues a job of the caller's organization, for a request that `asked` describes in full; 201 with the new one, or 200
/// with the one it folded into.
pub(in crate::api::v1) async fn enqueue(
    state: &ApiState,
    caller: &Caller,
    key: IdempotencyKey,
    asked: &Value,
    job: NewJob,
) -> Answer<Response> {
    let once = match key.begin(state, caller, asked).await? {
        Begun::First(once) => once,
        Begun::Replayed(response) => return Ok(response),
    };
    let enqueued = enqueue_first(state, caller, job, &once).await;
    Ok(once.ended(state, enqueued).await?.into_response())
}

async fn enqueue_first(
    state: &ApiState,
    caller: &Caller,
    job: NewJob,
    once: &Once,
) -> Answer<Kept> {
    let mut tx = state.env.db.begin().await?;
    let enqueued = outbox::enqueue(&mut tx, &state.env, job).await?;
    kept(tx, state, caller, &enqueued, once).await
}

/// Commits with the answer: the job that was enqueued, or the one it folded into.
pub(in crate::api::v1) async fn kept(
    mut tx: Tx,
    state: &ApiState,
    caller: &Caller,
    enqueued: &Enqueued,
    once: &Once,
) -> Answer<Kept> {
    let status = if enqueued.folded {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let job = shown(&mut tx, state, caller, &enqueued.id).await?;
    let kept = Kept::json(status, &job)?;
    once.settle(&mut tx, &kept).await?;
    tx.commit().await?;
    Ok(kept)
}

pub(super) fn not_found(id: &str) -> Problem {
    Problem::new(Code::JobNotFound, format!("there is no job {id}"))
}
