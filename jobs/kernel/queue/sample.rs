//! How full the queues are, for the metrics.

use super::Queue;
use crate::{
    args,
    kernel::{
        clock::Timestamp,
        db::{Db, Result, Sql},
    },
};

/// The states of jobs that are not finished, in the words shown to people.
pub const STATES: [&str; 4] = ["scheduled", "available", "running", "retryable"];

/// The jobs of one queue in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The queue.
    pub queue: Queue,
    /// One of [`STATES`].
    pub state: String,
    /// How many there are.
    pub jobs: i64,
    /// When the first of them became or becomes due.
    pub first_due: Timestamp,
}

const SAMPLE: Sql = Sql::both(
    "SELECT queue, CASE WHEN owner IS NOT NULL THEN 'running' WHEN due_at <= $1 THEN 'available'
                        WHEN attempt > 0 THEN 'retryable' ELSE 'scheduled' END AS state,
        count(*), min(due_at)
     FROM jobs GROUP BY queue, state",
);

/// Counts unfinished jobs; what is not there is not in the answer.
pub async fn sample(db: &Db, now: Timestamp) -> Result<Vec<Sample>> {
    let rows: Vec<(String, String, i64, Timestamp)> = db.all(SAMPLE, args![now]).await?;
    let samples = rows
        .into_iter()
        .filter_map(|(queue, state, jobs, first_due)| {
            Some(Sample {
                queue: Queue::parse(&queue)?,
                state,
                jobs,
                first_due,
            })
        });
    Ok(samples.collect())
}
