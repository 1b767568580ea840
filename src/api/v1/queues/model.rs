//! A queue as the API shows it.

use axum::{http::StatusCode, response::Response};
use memberd_jobs::kernel::{
    Timestamp,
    queue::{
        Queue,
        admin::{self, Lane},
    },
};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::api::{
    Answer, ApiState, Begun, Caller, Code, IdempotencyKey, Kept, Once, Problem, QueueWord, Word,
};

/// A queue.
#[derive(Serialize, ToSchema)]
pub(super) struct QueueBody {
    /// Its name.
    name: QueueWord,
    /// Whether people paused it; what runs goes on running.
    paused: bool,
    /// Since when.
    #[schema(value_type = Option<String>, format = DateTime)]
    paused_at: Option<Timestamp>,
    /// Jobs that wait, for their time or for a worker; as of `counted_at`.
    #[schema(minimum = 0)]
    waiting: i64,
    /// When the waiting jobs were counted: now, unless more than 10,000 wait in all queues together.
    #[schema(value_type = String, format = DateTime, example = "2026-01-15T10:30:00Z")]
    counted_at: Timestamp,
    /// Jobs that run.
    #[schema(minimum = 0)]
    running: i64,
    /// How long the oldest job that could run has been waiting, in seconds; null when none waits.
    #[schema(minimum = 0, example = 0.4)]
    oldest_available_age_seconds: Option<f64>,
    /// Slots of one node, where people set them; null: the configuration of each node decides.
    #[schema(minimum = 0, maximum = 1000)]
    concurrency: Option<i64>,
    /// Jobs running at once in the whole installation; null: no such limit.
    #[schema(minimum = 0)]
    max_running: Option<i64>,
    /// Jobs started per second in the whole installation; null: no such limit.
    #[schema(minimum = 1)]
    rate_per_second: Option<i64>,
}

impl QueueBody {
    pub(super) fn of(lane: &Lane, now: Timestamp) -> Self {
        let age = |since| now.since(since).as_secs_f64();
        Self {
            name: Word(lane.queue),
            paused: lane.paused_at.is_some(),
            paused_at: lane.paused_at,
            waiting: lane.waiting,
            counted_at: lane.counted_at,
            running: lane.running,
            oldest_available_age_seconds: lane.oldest_available_at.map(age),
            concurrency: lane.concurrency,
            max_running: lane.max_running,
            rate_per_second: lane.rate_per_second,
        }
    }
}

/// The queue of this name.
pub(super) fn parse(name: &str) -> Answer<Queue> {
    Queue::parse(name)
        .ok_or_else(|| Problem::new(Code::NotFound, format!("there is no queue {name}")))
}

/// The queue as it is now.
pub(super) async fn found(state: &ApiState, queue: Queue) -> Answer<QueueBody> {
    let now = state.env.now();
    Ok(QueueBody::of(&lane(state, queue, now).await?, now))
}

async fn lane(state: &ApiState, queue: Queue, now: Timestamp) -> Answer<Lane> {
    let lanes = admin::lanes(&state.env.db, now).await?;
    lanes
        .into_iter()
        .find(|lane| lane.queue == queue)
        .ok_or_else(|| Problem::new(Code::NotFound, "there is no such queue"))
}

/// Pauses or resumes a queue; answers the queue.
pub(super) async fn set_paused(
    state: &ApiState,
    caller: &Caller,
    key: IdempotencyKey,
    name: &str,
    paused: bool,
) -> Answer<Response> {
    let queue = parse(name)?;
    let asked = json!({ "queue": queue.as_str(), "paused": paused });
    let once = match key.begin(state, caller, &asked).await? {
        Begun::First(once) => once,
        Begun::Replayed(response) => return Ok(response),
    };
    let set = set_first(state, queue, paused, &once).await;
    Ok(once.ended(state, set).await?.into_response())
}

async fn set_first(state: &ApiState, queue: Queue, paused: bool, once: &Once) -> Answer<Kept> {
    let now = state.env.now();
    // Counting may take a while, so it comes before the transaction.
    let mut lane = lane(state, queue, now).await?;
    lane.paused_at = paused.then(|| lane.paused_at.unwrap_or(now));
    let kept = Kept::json(StatusCode::OK, &QueueBody::of(&lane, now))?;
    let mut tx = state.env.db.begin().await?;
    admin::set_queue_paused(&mut tx, queue, paused, now).await?;
    once.settle(&mut tx, &kept).await?;
    tx.commit().await?;
    Ok(kept)
}
