//! Forgetting history: finished jobs by age and by number, in small transactions.

use crate::{
    args,
    kernel::{
        clock::Timestamp,
        db::{Db, Result, Sql},
        limits::PRUNE_BATCH_MAX,
    },
};

const OLD_ATTEMPTS: Sql = Sql::both(
    "DELETE FROM job_attempts WHERE job_id IN (
        SELECT id FROM jobs_done WHERE finished_at < $1 ORDER BY finished_at, id LIMIT $2)",
);
const OLD_JOBS: Sql = Sql::both(
    "DELETE FROM jobs_done WHERE id IN (
        SELECT id FROM jobs_done WHERE finished_at < $1 ORDER BY finished_at, id LIMIT $2)",
);
/// When the job finished that is the `$1`-th youngest: whatever is older is too many.
const NTH_YOUNGEST: Sql =
    Sql::both("SELECT finished_at FROM jobs_done ORDER BY finished_at DESC LIMIT 1 OFFSET $1");
const OLD_WINDOWS: Sql = Sql::both("DELETE FROM job_windows WHERE until_at < $1");

/// Deletes finished jobs older than `before` and those beyond the `keep` youngest (jobs that finished in the same
/// millisecond go together). Answers how many.
pub async fn prune(db: &Db, before: Timestamp, keep: i64, now: Timestamp) -> Result<u64> {
    let nth: Option<(Timestamp,)> = db.optional(NTH_YOUNGEST, args![keep]).await?;
    let before = nth.map_or(before, |(youngest_surplus,)| {
        before.max(Timestamp(youngest_surplus.0 + 1))
    });
    let mut pruned = 0;
    loop {
        let mut tx = db.begin().await?;
        tx.execute(OLD_ATTEMPTS, args![before, PRUNE_BATCH_MAX])
            .await?;
        let deleted = tx.execute(OLD_JOBS, args![before, PRUNE_BATCH_MAX]).await?;
        if deleted == 0 {
            tx.execute(OLD_WINDOWS, args![now]).await?;
        }
        tx.commit().await?;
        pruned += deleted;
        if deleted == 0 {
            return Ok(pruned);
        }
    }
}
