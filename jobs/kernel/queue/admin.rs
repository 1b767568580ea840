//! What people and the API do to jobs and queues: look, retry, cancel, pause.
//!
//! People see seven states; the tables know fewer. A waiting job is `scheduled` before it is due, `available` after,
//! and `retryable` once it has run; a job with an owner is `running`; the rest is written in the history. Jobs are
//! always looked up within one organization: another organization's job does not exist.

mod act;
mod counts;
mod lanes;
#[cfg(test)]
mod large_tests;
mod list;
mod select;
#[cfg(test)]
mod tests;

pub use act::{Acted, Action, act, act_on_filter};
pub use counts::{Count, Counts, counts, refresh};
pub use lanes::{
    Lane, NodeRow, lanes, nodes, set_concurrency, set_max_running, set_queue_paused, set_rate,
};
pub use list::{
    Filter, JobAttempt, JobRow, Listed, attempts, list, list_all, show, show_in, unfinished,
};

/// The states of a job as people see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// Waits for its time.
    Scheduled,
    /// Waits for a free worker.
    Available,
    /// Runs.
    Running,
    /// Has run without success and waits for its next attempt.
    Retryable,
    /// Done.
    Completed,
    /// Given up because somebody did not want it any more.
    Cancelled,
    /// Given up because it failed for good or too often.
    Discarded,
}

impl JobState {
    /// All states, in the order of a job's life.
    pub const ALL: [Self; 7] = [
        Self::Scheduled,
        Self::Available,
        Self::Running,
        Self::Retryable,
        Self::Completed,
        Self::Cancelled,
        Self::Discarded,
    ];

    /// The word in commands and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Available => "available",
            Self::Running => "running",
            Self::Retryable => "retryable",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Discarded => "discarded",
        }
    }

    /// Reads a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}
