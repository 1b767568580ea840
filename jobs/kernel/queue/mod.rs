//! The queue's table: what is claimed, acknowledged, renewed and rescued, and what people do to jobs.
//!
//! A job waits while it has no owner and runs while it has one. Claiming gives it an owner (random per process), a
//! lease and a new `fence`; every later word about that run must name id, fence and owner, so whoever lost the lease
//! is not heard. Ending a job moves its row to `jobs_done` in the statement that ends it.

/// What claims choose from. It is asked in a way that PostgreSQL takes for a third of the jobs, whatever it believes to know
/// of their owners: if it took the waiting ones for few, it would read and sort all of them for each claim.
macro_rules! waits {
    () => {
        "in_line AND coalesce(owner, '') < '!'"
    };
}

pub mod ack;
pub mod admin;
pub mod claim;
pub mod lease;
pub mod prune;
pub mod round;
pub mod schedules;
#[cfg(test)]
mod tests;

pub use ack::{Ack, Outcome};
pub use claim::Claimed;

/// A lane: jobs of one queue never wait behind those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// Calls to Stripe and the mirror.
    Stripe,
    /// Ledger and payouts.
    Money,
    /// Scores.
    Engagement,
    /// Mail.
    Email,
    /// Webhooks out.
    Webhooks,
    /// Erasure of members.
    Deletion,
    /// The rest.
    Default,
}

impl Queue {
    /// All queues.
    pub const ALL: [Self; 7] = [
        Self::Stripe,
        Self::Money,
        Self::Engagement,
        Self::Email,
        Self::Webhooks,
        Self::Deletion,
        Self::Default,
    ];

    /// The name in tables, configuration and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::Money => "money",
            Self::Engagement => "engagement",
            Self::Email => "email",
            Self::Webhooks => "webhooks",
            Self::Deletion => "deletion",
            Self::Default => "default",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|queue| queue.as_str() == name)
    }

    /// Its place in [`Queue::ALL`].
    pub(super) fn index(self) -> usize {
        Self::ALL
            .iter()
            .position(|queue| *queue == self)
            .unwrap_or(0)
    }
}
