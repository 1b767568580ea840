//! Forgetting history: finished jobs by age and by number, in small transactions.

use std::collections::BTreeMap;

use super::{admin::JobState, lease};
use crate::{
    args,
    kernel::{
        clock::Timestamp,
        db::{Db, Result, Sql},
        limits::PRUNE_BATCH_MAX,
    },
};

/// In the order of ids, which is that of creation: an index on the end would cost every job that ends.
const NEXT: Sql = Sql::both(
    "SELECT id, state, created_at, finished_at FROM jobs_done WHERE id > $1 ORDER BY id LIMIT $2",
);
const FORGET_ATTEMPTS: Sql = Sql::split(
    "DELETE FROM job_attempts WHERE job_id IN (SELECT value FROM json_each($1))",
    "DELETE FROM job_attempts WHERE job_id IN (SELECT jsonb_array_elements_text($1::jsonb))",
);
/// Ids and ends: a job that people have retried since is another piece of history.
const FORGET: Sql = Sql::split(
    "DELETE FROM jobs_done WHERE (id, finished_at) IN (SELECT key, value FROM json_each($1)) RETURNING id",
    "DELETE FROM jobs_done AS d USING jsonb_each_text($1::jsonb) AS old (id, finished_at)
     WHERE d.id = old.id AND d.finished_at = old.finished_at::bigint RETURNING d.id",
);
/// The job before which `$1` younger ones are in the history: it and what is older is too many.
const SURPLUS: Sql = Sql::both("SELECT id FROM jobs_done ORDER BY id DESC LIMIT 1 OFFSET $1");
/// The same among those of one state.
const SURPLUS_FAILED: Sql = Sql::both(
    "SELECT id FROM jobs_done WHERE state = $2 AND state <> 'completed' ORDER BY id DESC LIMIT 1 OFFSET $1",
);
const OLD_WINDOWS: Sql = Sql::both("DELETE FROM job_windows WHERE until_at < $1");

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    state: String,
    created_at: Timestamp,
    finished_at: Timestamp,
}

/// What is too many, by state: the youngest such job.
struct Surplus {
    completed: Option<String>,
    cancelled: Option<String>,
    discarded: Option<String>,
}

impl Surplus {
    async fn beyond(db: &Db, keep: i64) -> Result<Self> {
        let completed: Option<(String,)> = db.optional(SURPLUS, args![keep]).await?;
        Ok(Self {
            completed: completed.map(|row| row.0),
            cancelled: Self::failed(db, keep, JobState::Cancelled).await?,
            discarded: Self::failed(db, keep, JobState::Discarded).await?,
        })
    }

    async fn failed(db: &Db, keep: i64, state: JobState) -> Result<Option<String>> {
        let args = args![keep, state.as_str()];
        let found: Option<(String,)> = db.optional(SURPLUS_FAILED, args).await?;
        Ok(found.map(|row| row.0))
    }

    fn has(&self, job: &Row) -> bool {
        let surplus = match job.state.as_str() {
            state if state == JobState::Cancelled.as_str() => &self.cancelled,
            state if state == JobState::Discarded.as_str() => &self.discarded,
            _ => &self.completed,
        };
        surplus.as_ref().is_some_and(|youngest| job.id <= *youngest)
    }

    /// Whether there is nothing of it from `id` on.
    fn ends_before(&self, id: &str) -> bool {
        let all = [&self.completed, &self.cancelled, &self.discarded];
        let mut all = all.into_iter().flatten();
        all.all(|youngest| youngest.as_str() < id)
    }
}

/// Deletes jobs that finished before `before`, and of the others the completed ones that are not among the `keep` youngest
/// of all, by their creation. Cancelled and discarded ones are counted by themselves, so that many that completed do not
/// drive out the few that people look for.
/// Answers how many.
pub async fn prune(db: &Db, before: Timestamp, keep: i64, now: Timestamp) -> Result<u64> {
    let surplus = Surplus::beyond(db, keep).await?;
    let mut pruned = 0;
    let mut after = String::new();
    loop {
        let jobs: Vec<Row> = db.all(NEXT, args![&after, PRUNE_BATCH_MAX]).await?;
        let Some(last) = jobs.last() else {
            break;
        };
        after.clone_from(&last.id);
        // No job ends before it is made.
        let is_young = |job: &Row| job.created_at >= before && surplus.ends_before(&job.id);
        let done = jobs.iter().all(is_young);
        let old = jobs
            .iter()
            .filter(|job| job.finished_at < before || surplus.has(job));
        let old = old.map(|job| (job.id.as_str(), job.finished_at.0));
        pruned += forget(db, old.collect()).await?;
        if done {
            break;
        }
    }
    let mut tx = db.begin().await?;
    tx.execute(OLD_WINDOWS, args![now]).await?;
    tx.commit().await?;
    Ok(pruned)
}

async fn forget(db: &Db, jobs: BTreeMap<&str, i64>) -> Result<u64> {
    if jobs.is_empty() {
        return Ok(0);
    }
    let mut tx = db.begin().await?;
    let forgotten: Vec<(String,)> = tx.all(FORGET, args![lease::json(&jobs)?]).await?;
    let ids: Vec<&String> = forgotten.iter().map(|row| &row.0).collect();
    tx.execute(FORGET_ATTEMPTS, args![lease::json(&ids)?])
        .await?;
    tx.commit().await?;
    Ok(u64::try_from(ids.len()).unwrap_or(u64::MAX))
}
