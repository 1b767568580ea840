//! The queue's figures. Labels come from closed sets: queues, outcomes, and the kinds of this binary.

use std::time::Duration;

use memberd_jobs::kernel::queue::{Outcome, Queue};
use metrics::{counter, histogram};

/// The label of kinds that this binary does not have.
pub(super) const UNKNOWN_KIND: &str = "unknown";

/// A run ended.
pub(super) fn finished(kind: &'static str, outcome: &'static str, took: Duration) {
    counter!("memberd_jobs_finished_total", "kind" => kind, "outcome" => outcome).increment(1);
    histogram!("memberd_job_duration_seconds", "kind" => kind).record(took);
}

/// A run began this long after its job was due.
pub(super) fn waited(kind: &'static str, wait: Duration) {
    histogram!("memberd_job_wait_seconds", "kind" => kind).record(wait);
}

/// Acknowledgements were refused because another process owns the job.
pub(super) fn stale(count: u64) {
    counter!("memberd_jobs_stale_acks_total").increment(count);
}

/// Jobs came back from processes that died.
pub(super) fn rescued(count: u64) {
    counter!("memberd_jobs_rescued_total").increment(count);
}

/// A lane asked the database.
pub(super) fn round(queue: Queue) {
    counter!("memberd_queue_rounds_total", "queue" => queue.as_str()).increment(1);
}

/// The word for an outcome; `None` is a run that must not say anything any more.
pub(super) const fn word(outcome: Option<&Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::Completed { .. }) => "completed",
        Some(Outcome::Cancelled { .. }) => "cancelled",
        Some(Outcome::Discarded { .. }) => "discarded",
        Some(Outcome::Retry { .. }) => "retry",
        Some(Outcome::Snooze { .. }) => "snoozed",
        Some(Outcome::GivenBack) => "given_back",
        None => "lease_lost",
    }
}
