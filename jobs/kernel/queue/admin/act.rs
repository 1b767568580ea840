//! Retrying and cancelling jobs, one or many.

use std::collections::{BTreeMap, BTreeSet};

use super::list::{Filter, list_all, still_matching};
use crate::{
    args,
    kernel::{
        clock::Timestamp,
        db::{Db, Error, Result, Sql, Tx},
        limits::BULK_FILTER_JOBS_MAX,
        queue::Queue,
    },
};

/// Looks at jobs that moved between the tables while they were looked at, before giving up.
const ROUNDS_MAX: usize = 3;

/// What to do to jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Run again: what waits becomes due now, what was cancelled or discarded waits again under its old id and with
    /// at least one attempt left.
    Retry,
    /// Run no more: what waits is cancelled at once, what runs is asked to stop.
    Cancel,
}

/// What became of one job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acted {
    /// Done, or asked for in case of a running job.
    Done,
    /// It was not revived, because this job with the same key already waits.
    Folded(String),
    /// Refused: it is running.
    Running,
    /// Refused: it has ended.
    Final,
    /// The organization has no such job.
    NotFound,
}

/// A statement about the ids in the JSON array `$1`.
macro_rules! over_ids {
    ($before:expr, $after:expr) => {
        Sql::split(
            concat!($before, "(SELECT value FROM json_each($1))", $after),
            concat!(
                $before,
                "(SELECT jsonb_array_elements_text($1::jsonb))",
                $after
            ),
        )
    };
}

const DUE_NOW: Sql = over_ids!(
    "UPDATE jobs SET due_at = CASE WHEN due_at > $3 THEN $3 ELSE due_at END WHERE id IN ",
    " AND organization_id = $2 AND owner IS NULL RETURNING id, queue"
);
/// A revived job goes on counting attempts and claims where it stopped.
const REVIVE: Sql = over_ids!(
    "INSERT INTO jobs (id, organization_id, queue, kind, args, priority, due_at, attempt, max_attempts, fence,
        unique_key, unique_running, exclusive, member_id, schedule, created_at)
     SELECT id, organization_id, queue, kind, args, priority, $3, attempt,
        CASE WHEN max_attempts > attempt THEN max_attempts ELSE attempt + 1 END, fence,
        unique_key, unique_running, exclusive, member_id, schedule, created_at
     FROM jobs_done WHERE id IN ",
    " AND organization_id = $2 AND state IN ('cancelled', 'discarded') ORDER BY id
     ON CONFLICT DO NOTHING RETURNING id, queue"
);
const FORGET_REVIVED: Sql = over_ids!("DELETE FROM jobs_done WHERE id IN ", "");
const HOLDERS: Sql = over_ids!(
    "SELECT d.id, min(j.id) FROM jobs_done AS d JOIN jobs AS j ON j.unique_key = d.unique_key
     WHERE (j.unique_running OR j.owner IS NULL) AND d.state IN ('cancelled', 'discarded') AND d.id IN ",
    " AND d.organization_id = $2 GROUP BY d.id"
);
const COMPLETED: Sql = over_ids!(
    "SELECT id FROM jobs_done WHERE state = 'completed' AND id IN ",
    " AND organization_id = $2"
);
const RUNNING: Sql = over_ids!(
    "SELECT id FROM jobs WHERE owner IS NOT NULL AND id IN ",
    " AND organization_id = $2"
);
const CANCEL_WAITING: Sql = Sql::split(
    "INSERT INTO jobs_done (id, organization_id, queue, kind, args, priority, state, attempt, max_attempts, fence,
        unique_key, unique_running, exclusive, member_id, schedule, created_at, started_at, finished_at, error)
     SELECT id, organization_id, queue, kind, args, priority, 'cancelled', attempt, max_attempts, fence,
        unique_key, unique_running, exclusive, member_id, schedule, created_at, started_at, $3, $4
     FROM jobs WHERE id IN (SELECT value FROM json_each($1)) AND organization_id = $2 AND owner IS NULL
     RETURNING id",
    "WITH gone AS (
        DELETE FROM jobs WHERE id IN (SELECT jsonb_array_elements_text($1::jsonb))
            AND organization_id = $2 AND owner IS NULL
        RETURNING *)
     INSERT INTO jobs_done (id, organization_id, queue, kind, args, priority, state, attempt, max_attempts, fence,
        unique_key, unique_running, exclusive, member_id, schedule, created_at, started_at, finished_at, error)
     SELECT id, organization_id, queue, kind, args, priority, 'cancelled', attempt, max_attempts, fence,
        unique_key, unique_running, exclusive, member_id, schedule, created_at, started_at, $3, $4
     FROM gone RETURNING id",
);
const FORGET_CANCELLED: Sql = Sql::sqlite_only(
    "DELETE FROM jobs WHERE id IN (SELECT value FROM json_each($1)) AND organization_id = $2 AND owner IS NULL",
);
const REQUEST_CANCEL: Sql = over_ids!(
    "UPDATE jobs SET cancel_requested_at = coalesce(cancel_requested_at, $3) WHERE owner IS NOT NULL AND id IN ",
    " AND organization_id = $2 RETURNING id"
);
const ENDED: Sql = over_ids!(
    "SELECT id FROM jobs_done WHERE id IN ",
    " AND organization_id = $2"
);
const LIVING: Sql = over_ids!(
    "SELECT id FROM jobs WHERE id IN ",
    " AND organization_id = $2"
);

/// The error text of a job that people cancelled while it waited.
const CANCELLED_BY_REQUEST: &str = "cancelled on request";

/// One pass over the jobs that have no answer yet.
struct Round<'a> {
    organization: &'a str,
    now: Timestamp,
    answers: BTreeMap<String, Acted>,
    open: BTreeSet<String>,
}

/// Retries or cancels jobs of an organization and tells what became of each.
pub async fn act(
    tx: &mut Tx,
    organization: &str,
    action: Action,
    ids: &[String],
    now: Timestamp,
) -> Result<BTreeMap<String, Acted>> {
    let mut round = Round {
        organization,
        now,
        answers: BTreeMap::new(),
        open: ids.iter().cloned().collect(),
    };
    for _ in 0..ROUNDS_MAX {
        if round.open.is_empty() {
            break;
        }
        match action {
            Action::Retry => round.retry(tx).await?,
            Action::Cancel => round.cancel(tx).await?,
        }
    }
    round.nowhere(tx).await?;
    Ok(round.answers)
}

/// Retries or cancels all jobs that pass the filter, unless their number is not the expected one: then nothing
/// happens and the answer is the number, at most one more than [`BULK_FILTER_JOBS_MAX`].
///
/// The jobs are looked for before the transaction, which on SQLite would keep every other from writing meanwhile. What
/// passes no longer when it begins is left out and counts as missing; what comes later is not seen. Answers the transaction,
/// too: the caller commits it.
pub async fn act_on_filter(
    db: &Db,
    organization: &str,
    action: Action,
    filter: &Filter<'_>,
    expected: i64,
    now: Timestamp,
) -> Result<std::result::Result<(Tx, BTreeMap<String, Acted>), i64>> {
    let found = list_all(db, organization, filter, BULK_FILTER_JOBS_MAX + 1, now).await?;
    let found: Vec<String> = found.into_iter().map(|job| job.id).collect();
    let count = number(&found);
    if count != expected || count > BULK_FILTER_JOBS_MAX {
        return Ok(Err(count));
    }
    let mut tx = db.begin().await?;
    let found = serde_json::to_string(&found);
    let found = found.map_err(|error| sqlx::Error::Encode(error.into()))?;
    let still = still_matching(&mut tx, organization, filter, &found, now).await?;
    if number(&still) != expected {
        return Ok(Err(number(&still)));
    }
    let acted = act(&mut tx, organization, action, &still, now).await?;
    Ok(Ok((tx, acted)))
}

fn number(ids: &[String]) -> i64 {
    i64::try_from(ids.len()).unwrap_or(i64::MAX)
}

impl Round<'_> {
    async fn retry(&mut self, tx: &mut Tx) -> Result<()> {
        self.wake_all(tx, DUE_NOW).await?;
        self.refuse(tx, RUNNING, &Acted::Running).await?;
        let revived = self.wake_all(tx, REVIVE).await?;
        if !revived.is_empty() {
            tx.execute(FORGET_REVIVED, args![json(&revived)?]).await?;
        }
        self.refuse(tx, COMPLETED, &Acted::Final).await?;
        let held: Vec<(String, String)> = tx
            .all(HOLDERS, args![json(&self.open)?, self.organization])
            .await?;
        for (id, holder) in held {
            self.answer(id, Acted::Folded(holder));
        }
        Ok(())
    }

    async fn cancel(&mut self, tx: &mut Tx) -> Result<()> {
        let ids = json(&self.open)?;
        let args = args![&ids, self.organization, self.now, CANCELLED_BY_REQUEST];
        let cancelled: Vec<(String,)> = tx.all(CANCEL_WAITING, args).await?;
        tx.execute(FORGET_CANCELLED, args![&ids, self.organization])
            .await?;
        let asked: Vec<(String,)> = tx
            .all(REQUEST_CANCEL, args![&ids, self.organization, self.now])
            .await?;
        for (id,) in cancelled.into_iter().chain(asked) {
            self.answer(id, Acted::Done);
        }
        self.refuse(tx, ENDED, &Acted::Final).await
    }

    /// Runs a statement that makes jobs due and wakes their queues.
    async fn wake_all(&mut self, tx: &mut Tx, sql: Sql) -> Result<BTreeSet<String>> {
        let args = args![json(&self.open)?, self.organization, self.now];
        let rows: Vec<(String, String)> = tx.all(sql, args).await?;
        let mut ids = BTreeSet::new();
        for (id, queue) in rows {
            if let Some(queue) = Queue::parse(&queue) {
                tx.wake(queue);
            }
            self.answer(id.clone(), Acted::Done);
            ids.insert(id);
        }
        Ok(ids)
    }

    async fn refuse(&mut self, tx: &mut Tx, sql: Sql, why: &Acted) -> Result<()> {
        let args = args![json(&self.open)?, self.organization];
        let rows: Vec<(String,)> = tx.all(sql, args).await?;
        for (id,) in rows {
            self.answer(id, why.clone());
        }
        Ok(())
    }

    /// Whatever is left does not exist, or changes faster than we can look.
    async fn nowhere(&mut self, tx: &mut Tx) -> Result<()> {
        if self.open.is_empty() {
            return Ok(());
        }
        let args = args![json(&self.open)?, self.organization];
        let living: Vec<(String,)> = tx.all(LIVING, args).await?;
        let ended: Vec<(String,)> = tx.all(ENDED, args).await?;
        if let Some((id,)) = living.into_iter().chain(ended).next() {
            return Err(Error::Busy(format!("job {id} is changing: try again")));
        }
        for id in std::mem::take(&mut self.open) {
            self.answers.insert(id, Acted::NotFound);
        }
        Ok(())
    }

    fn answer(&mut self, id: String, acted: Acted) {
        self.open.remove(&id);
        self.answers.insert(id, acted);
    }
}

fn json(ids: &BTreeSet<String>) -> Result<String> {
    Ok(serde_json::to_string(ids).map_err(|error| sqlx::Error::Encode(error.into()))?)
}
