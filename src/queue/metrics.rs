//! The queue's figures. Labels come from closed sets: queues, outcomes, and the kinds of this binary.

use std::{sync::OnceLock, time::Duration};

use memberd_jobs::kernel::queue::{Outcome, Queue};
use metrics::{Counter, Histogram, counter, histogram};

/// The label of kinds that this binary does not have.
pub(super) const UNKNOWN_KIND: &str = "unknown";

/// The words for outcomes; the last is for a run that must not say anything any more.
const OUTCOMES: [&str; 7] = [
    "completed",
    "cancelled",
    "discarded",
    "retry",
    "snoozed",
    "given_back",
    "lease_lost",
];

/// The figures of one kind, each looked up once: a look-up costs as much as an allocation or two, and there would be
/// three for each run. A figure appears with its first value.
#[derive(Debug)]
pub(super) struct OfKind {
    kind: &'static str,
    wait: OnceLock<Histogram>,
    duration: OnceLock<Histogram>,
    finished: [OnceLock<Counter>; OUTCOMES.len()],
}

impl OfKind {
    /// The figures of `kind`.
    pub(super) const fn new(kind: &'static str) -> Self {
        Self {
            kind,
            wait: OnceLock::new(),
            duration: OnceLock::new(),
            finished: [const { OnceLock::new() }; OUTCOMES.len()],
        }
    }

    /// A run began this long after its job was due.
    pub(super) fn waited(&self, wait: Duration) {
        let figure = || histogram!("memberd_job_wait_seconds", "kind" => self.kind);
        self.wait.get_or_init(figure).record(wait);
    }

    /// A run ended.
    pub(super) fn finished(&self, outcome: Option<&Outcome>, took: Duration) {
        let (kind, at) = (self.kind, place(outcome));
        let figure =
            || counter!("memberd_jobs_finished_total", "kind" => kind, "outcome" => OUTCOMES[at]);
        self.finished[at].get_or_init(figure).increment(1);
        let figure = || histogram!("memberd_job_duration_seconds", "kind" => kind);
        self.duration.get_or_init(figure).record(took);
    }
}

/// Where an outcome stands among [`OUTCOMES`].
const fn place(outcome: Option<&Outcome>) -> usize {
    match outcome {
        Some(Outcome::Completed { .. }) => 0,
        Some(Outcome::Cancelled { .. }) => 1,
        Some(Outcome::Discarded { .. }) => 2,
        Some(Outcome::Retry { .. }) => 3,
        Some(Outcome::Snooze { .. }) => 4,
        Some(Outcome::GivenBack) => 5,
        None => 6,
    }
}

/// Acknowledgements were refused: another process owns the job, or the answer to the first one was lost.
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
