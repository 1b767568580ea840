//! One run of one job, from the envelope to the outcome.

use std::{any::Any, collections::HashMap, sync::Arc, time::Duration};

use apalis::prelude::Data;
use memberd_jobs::kernel::{
    Chance, Context, JobDef, JobError, JobResult, Registry, Retry, Timestamp,
    limits::RETRY_PAUSE_MAX,
    queue::{Claimed, Outcome},
};
use tokio::{
    task::{JoinError, JoinHandle},
    time::Instant,
};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::{
    DRAIN_GRACE,
    backend::Envelope,
    metrics,
    table::{Leash, Reason},
};

/// How long a run may go on after its job was cancelled on request.
const CANCEL_GRACE: Duration = Duration::from_secs(10);
/// How long we wait for a run that was aborted; one that blocks its thread is left behind after that.
pub(super) const ABANDON_PATIENCE: Duration = Duration::from_secs(2);

/// What runs have in common.
#[derive(Debug)]
pub(super) struct Runner {
    registry: Arc<Registry>,
    figures: HashMap<&'static str, metrics::OfKind>,
    /// For kinds that are not in the registry.
    unknown: metrics::OfKind,
    tasks: TaskTracker,
}

impl Runner {
    /// Runs the jobs of `registry`.
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        let figures = registry
            .jobs()
            .map(|def| (def.kind, metrics::OfKind::new(def.kind)));
        Self {
            figures: figures.collect(),
            unknown: metrics::OfKind::new(metrics::UNKNOWN_KIND),
            registry,
            tasks: TaskTracker::new(),
        }
    }
}

/// How a run came to its end.
#[derive(Debug)]
enum End {
    Returned(JobResult),
    Panicked(String),
    TimedOut(Duration),
    /// It was told to stop, did not, and was aborted.
    Abandoned,
    /// The kind is not in the registry.
    Unknown,
}

/// What apalis calls for each job. It never fails: what becomes of the job is the slot's word to the lane.
pub(super) async fn run(envelope: Envelope, runner: Data<Arc<Runner>>) {
    let Envelope { cx, leash, slot } = envelope;
    let begun = Instant::now();
    let def = runner.registry.job(&cx.job.kind);
    let figures = runner
        .figures
        .get(cx.job.kind.as_str())
        .unwrap_or(&runner.unknown);
    figures.waited(cx.env.now().since(cx.job.due_at));
    let end = match def {
        Some(def) => supervise(&runner.tasks, def, &cx, &leash).await,
        None => End::Unknown,
    };
    let retry = def.map_or(Retry::DEFAULT, |def| def.retry);
    let outcome = decide(&cx, retry, end, leash.reason());
    figures.finished(outcome.as_ref(), begun.elapsed());
    if outcome.is_none() {
        metrics::stale(1);
    }
    log(&cx.job, outcome.as_ref(), begun.elapsed());
    slot.end(outcome);
}

/// The job's own task, so that neither a panic nor a long computation hurts the others. It ends with its supervisor.
struct Task(JoinHandle<JobResult>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs the job until it returns, its time is up, or it is told to stop and its grace is over.
async fn supervise(tasks: &TaskTracker, def: &JobDef, cx: &Arc<Context>, leash: &Leash) -> End {
    let job = &cx.job;
    let span = tracing::info_span!(
        "run",
        job.id = job.id,
        job.kind = def.kind,
        job.attempt = job.attempt,
        queue = def.queue.as_str()
    );
    let mut task = Task(tasks.spawn(call(def.run, Arc::clone(cx)).instrument(span)));
    let (grace, instead) = tokio::select! {
        biased;
        joined = &mut task.0 => return ended(joined, End::Abandoned),
        () = leash.token().cancelled() => (grace(leash.reason()), End::Abandoned),
        () = tokio::time::sleep(def.timeout) => {
            leash.token().cancel();
            (Duration::ZERO, End::TimedOut(def.timeout))
        }
    };
    if let Ok(joined) = tokio::time::timeout(grace, &mut task.0).await {
        return ended(joined, instead);
    }
    task.0.abort();
    if let Ok(joined) = tokio::time::timeout(ABANDON_PATIENCE, &mut task.0).await {
        return ended(joined, instead);
    }
    tracing::error!(
        job.id = job.id,
        job.kind = def.kind,
        "the job blocks its thread and cannot be stopped"
    );
    instead
}

async fn call(run: fn(serde_json::Value, Arc<Context>) -> Running, cx: Arc<Context>) -> JobResult {
    // What cannot be read today will not be readable tomorrow.
    let args = serde_json::from_str(&cx.job.args).map_err(|error| JobError::Fail(error.into()))?;
    run(args, cx).await
}

type Running = std::pin::Pin<Box<dyn Future<Output = JobResult> + Send>>;

const fn grace(reason: Option<Reason>) -> Duration {
    match reason {
        Some(Reason::Request) => CANCEL_GRACE,
        Some(Reason::Shutdown) | None => DRAIN_GRACE,
        // Another process runs the job already.
        Some(Reason::LeaseLost) => Duration::ZERO,
    }
}

/// What the task gave, or `instead` when it was aborted.
fn ended(joined: Result<JobResult, JoinError>, instead: End) -> End {
    match joined {
        Ok(result) => End::Returned(result),
        Err(error) => error
            .try_into_panic()
            .map_or(instead, |panic| End::Panicked(text(&*panic))),
    }
}

fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

/// What becomes of the job; `None` when another process owns it.
fn decide(cx: &Context, retry: Retry, end: End, reason: Option<Reason>) -> Option<Outcome> {
    let (job, now) = (&cx.job, cx.env.now());
    if reason == Some(Reason::LeaseLost) {
        return None;
    }
    let again = |pause: Option<Duration>, error: String| {
        Some(again(job, retry, now, &cx.env.chance, pause, error))
    };
    let later = |pause: Duration| now.plus(pause.min(RETRY_PAUSE_MAX));
    match (end, reason) {
        (End::Returned(Ok(report)), _) => Some(Outcome::Completed {
            report: report.to_json(),
        }),
        (End::Returned(Err(JobError::Fail(error))), _) => Some(Outcome::Discarded {
            error: format!("{error:#}"),
        }),
        (End::Returned(Err(error)), _) if error.is_lease_lost() => None,
        (End::Returned(Err(_)), Some(Reason::Request)) => Some(Outcome::Cancelled {
            error: "cancelled on request".to_owned(),
        }),
        (End::Abandoned, Some(Reason::Request)) => Some(Outcome::Cancelled {
            error: format!(
                "cancelled on request; it did not stop within {CANCEL_GRACE:?} and was abandoned"
            ),
        }),
        (End::Returned(Err(JobError::Snooze(pause))), _) => Some(Outcome::Snooze {
            due_at: later(pause),
        }),
        (End::Abandoned | End::Returned(Err(_)), Some(_)) => Some(Outcome::GivenBack),
        (End::Returned(Err(JobError::Retry(error))), None) => again(None, format!("{error:#}")),
        (End::Returned(Err(JobError::RetryAfter(pause, error))), None) => {
            again(Some(pause), format!("{error:#}"))
        }
        (End::Panicked(text), _) => again(None, format!("panicked: {text}")),
        (End::TimedOut(time), _) => again(None, format!("timed out after {time:?}")),
        (End::Abandoned, None) => again(None, "was aborted".to_owned()),
        (End::Unknown, _) => again(
            None,
            format!(
                "this memberd has no job kind `{}`: a newer node may run it",
                job.kind
            ),
        ),
    }
}

/// The job failed: it waits, or it has spent its last attempt. Nobody comes back before `asked` has passed.
fn again(
    job: &Claimed,
    retry: Retry,
    now: Timestamp,
    chance: &Chance,
    asked: Option<Duration>,
    error: String,
) -> Outcome {
    if job.attempt >= job.max_attempts {
        return Outcome::Discarded { error };
    }
    let pause = retry
        .pause(job.attempt, chance.fraction())
        .max(asked.unwrap_or_default());
    Outcome::Retry {
        due_at: now.plus(pause.min(RETRY_PAUSE_MAX)),
        error,
    }
}

/// One line for each run, at the one place where its error is handled.
fn log(job: &Claimed, outcome: Option<&Outcome>, took: Duration) {
    let (id, kind, attempt) = (&job.id, &job.kind, job.attempt);
    match outcome {
        Some(Outcome::Completed { .. }) => {
            tracing::debug!(job.id = id, job.kind = kind, ?took, "job completed");
        }
        Some(Outcome::Snooze { due_at }) => {
            tracing::debug!(job.id = id, job.kind = kind, until = %due_at, "job snoozed");
        }
        Some(Outcome::GivenBack) => tracing::info!(job.id = id, job.kind = kind, "job given back"),
        Some(Outcome::Cancelled { error }) => {
            tracing::info!(job.id = id, job.kind = kind, error, "job cancelled");
        }
        Some(Outcome::Retry { due_at, error }) => {
            tracing::warn!(job.id = id, job.kind = kind, job.attempt = attempt, error, again = %due_at, "job failed");
        }
        Some(Outcome::Discarded { error }) => {
            tracing::error!(
                job.id = id,
                job.kind = kind,
                job.attempt = attempt,
                error,
                "job discarded"
            );
        }
        None => tracing::warn!(
            job.id = id,
            job.kind = kind,
            "another process runs the job: its lease was lost"
        ),
    }
}
