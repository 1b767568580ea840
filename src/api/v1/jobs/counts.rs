//! `GET /v1/jobs/counts`

use axum::extract::State;
use memberd_jobs::kernel::Timestamp;
use memberd_jobs::kernel::queue::{
    Queue,
    admin::{self, Count, JobState},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{Answer, ApiState, Caller, Json, NoQuery, QueueWord, Word};

/// How many jobs there are.
#[derive(Serialize, ToSchema)]
pub(super) struct JobCounts {
    /// In all queues together.
    total: StateCounts,
    /// In each queue.
    queues: Vec<QueueCounts>,
    /// When the waiting jobs were counted: now, unless there are more than 10,000 of them.
    #[schema(value_type = String, format = DateTime, example = "2026-01-15T10:30:00Z")]
    unfinished_counted_at: Timestamp,
    /// When the finished jobs were counted: now, unless more than 10,000 are kept.
    #[schema(value_type = String, format = DateTime, example = "2026-01-15T10:30:00Z")]
    finished_counted_at: Timestamp,
}

/// How many jobs of a queue are in each state.
#[derive(Serialize, ToSchema)]
struct QueueCounts {
    /// The queue.
    queue: QueueWord,
    #[serde(flatten)]
    counts: StateCounts,
}

/// How many jobs are in each state.
#[derive(Default, Serialize, ToSchema)]
struct StateCounts {
    /// Waiting for their time.
    #[schema(minimum = 0)]
    scheduled: i64,
    /// Waiting for a worker.
    #[schema(minimum = 0)]
    available: i64,
    /// Running.
    #[schema(minimum = 0)]
    running: i64,
    /// Waiting for their next attempt.
    #[schema(minimum = 0)]
    retryable: i64,
    /// Done.
    #[schema(minimum = 0, example = 42)]
    completed: i64,
    /// Not wanted any more.
    #[schema(minimum = 0)]
    cancelled: i64,
    /// Given up.
    #[schema(minimum = 0)]
    discarded: i64,
}

impl StateCounts {
    fn of<'a>(counts: impl Iterator<Item = &'a Count>) -> Self {
        let mut sums = Self::default();
        for count in counts {
            let Some(state) = JobState::parse(&count.state) else {
                continue;
            };
            *match state {
                JobState::Scheduled => &mut sums.scheduled,
                JobState::Available => &mut sums.available,
                JobState::Running => &mut sums.running,
                JobState::Retryable => &mut sums.retryable,
                JobState::Completed => &mut sums.completed,
                JobState::Cancelled => &mut sums.cancelled,
                JobState::Discarded => &mut sums.discarded,
            } += count.count;
        }
        sums
    }
}

/// Count jobs
///
/// How many jobs of the organization are in each state, in all and by queue. Finished jobs count while they are kept.
///
/// Up to 10,000 jobs that wait or run, and up to 10,000 that have finished, are counted for each answer. More than that
/// are counted now and then, the less often the longer it takes (a million every one to two minutes); the answer says
/// when. The number of running jobs is always of now.
#[utoipa::path(get, path = "/v1/jobs/counts", tag = "jobs", operation_id = "count_jobs",
    responses((status = 200, description = "The numbers.", body = JobCounts)))]
pub(super) async fn counts(
    State(state): State<ApiState>,
    caller: Caller,
    _: NoQuery,
) -> Answer<Json<JobCounts>> {
    let env = &state.env;
    let counts = admin::counts(&env.db, &caller.organization, env.now()).await?;
    let rows = &counts.rows;
    let queues = Queue::ALL.into_iter().map(|queue| QueueCounts {
        queue: Word(queue),
        counts: StateCounts::of(rows.iter().filter(|row| row.queue == queue.as_str())),
    });
    Ok(Json(JobCounts {
        total: StateCounts::of(rows.iter()),
        queues: queues.collect(),
        unfinished_counted_at: counts.unfinished_counted_at,
        finished_counted_at: counts.finished_counted_at,
    }))
}
