//! Acknowledging: how runs ended, many in one transaction, each fenced by its claim.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Queue;
use crate::{
    args,
    kernel::{
        clock::Timestamp,
        db::{Result, Sql, Tx},
        limits::ERROR_CHARS_MAX,
    },
};

/// The end of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The job.
    pub id: String,
    /// The claim.
    pub fence: i64,
    /// The process that made the claim.
    pub owner: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The work is done.
    Completed {
        /// The run's report as JSON.
        report: Option<String>,
    },
    /// Somebody did not want it any more.
    Cancelled {
        /// Who or why.
        error: String,
    },
    /// It failed for good.
    Discarded {
        /// The last error.
        error: String,
    },
    /// It failed and has attempts left.
    Retry {
        /// When it may run again.
        due_at: Timestamp,
        /// The error.
        error: String,
    },
    /// It asked to come back later; no attempt is spent.
    Snooze {
        /// When it may run again.
        due_at: Timestamp,
    },
    /// It was stopped by a shutdown before it was done; no attempt is spent.
    GivenBack,
}

/// What became of a batch of acknowledgements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Acknowledgements that ended or returned their job.
    pub applied: u64,
    /// Acknowledgements that were refused because the claim is no longer theirs.
    pub stale: u64,
    /// Jobs that would have waited again, but another with the same key waits already.
    pub folded: u64,
}

impl Settled {
    /// Of `acks` ends, `applied` were heard and the others were stale.
    pub(super) fn of(applied: u64, acks: usize) -> Self {
        let stale = u64::try_from(acks).unwrap_or(0).saturating_sub(applied);
        Self {
            applied,
            stale,
            folded: 0,
        }
    }
}

#[derive(Serialize)]
struct Final<'a> {
    job_id: &'a str,
    fence: i64,
    owner: &'a str,
    state: &'static str,
    error: Option<String>,
    report: Option<&'a str>,
}

#[derive(Serialize)]
struct Back<'a> {
    job_id: &'a str,
    fence: i64,
    owner: &'a str,
    due_at: i64,
    refund: i64,
}

#[derive(Serialize)]
struct Failed<'a> {
    job_id: &'a str,
    fence: i64,
    owner: &'a str,
    outcome: &'static str,
    error: String,
}

/// Why a job ended that would have waited again.
const FOLDED_ERROR: &str = "folded into a waiting job with the same key";
/// Why a job ended whose cancellation was asked for while it ran.
const UNWANTED_ERROR: &str = "cancelled while it ran";

const LOG: Sql = Sql::split(
    "INSERT INTO job_attempts (job_id, fence, attempt, owner, started_at, ended_at, outcome, error)
     SELECT j.id, j.fence, j.attempt, j.owner, coalesce(j.started_at, $2), $2, x.value ->> 'outcome', x.value ->> 'error'
     FROM json_each($1) AS x JOIN jobs AS j ON j.id = x.value ->> 'job_id'
     WHERE j.fence = x.value ->> 'fence' AND j.owner = x.value ->> 'owner'
     ON CONFLICT (job_id, fence) DO NOTHING",
    "INSERT INTO job_attempts (job_id, fence, attempt, owner, started_at, ended_at, outcome, error)
     SELECT j.id, j.fence, j.attempt, j.owner, coalesce(j.started_at, $2), $2, x.outcome, x.error
     FROM jsonb_to_recordset($1::jsonb) AS x (job_id text, fence bigint, owner text, outcome text, error text)
     JOIN jobs AS j ON j.id = x.job_id
     WHERE j.fence = x.fence AND j.owner = x.owner
     ON CONFLICT (job_id, fence) DO NOTHING",
);

/// Copies what ended to the history; on PostgreSQL it leaves the hot table in the same statement.
const FINISH: Sql = Sql::split(
    "INSERT INTO jobs_done (id, organization_id, queue, kind, args, priority, state, attempt, max_attempts,
        fence, unique_key, unique_running, exclusive, member_id, schedule, created_at, started_at, finished_at, error,
        report)
     SELECT j.id, j.organization_id, j.queue, j.kind, j.args, j.priority, x.value ->> 'state', j.attempt,
        j.max_attempts, j.fence, j.unique_key, j.unique_running, j.exclusive, j.member_id, j.schedule, j.created_at,
        j.started_at, $2, x.value ->> 'error', x.value ->> 'report'
     FROM json_each($1) AS x JOIN jobs AS j ON j.id = x.value ->> 'job_id'
     WHERE j.fence = x.value ->> 'fence' AND j.owner = x.value ->> 'owner'",
    "WITH gone AS (
        DELETE FROM jobs AS j
        USING jsonb_to_recordset($1::jsonb)
            AS x (job_id text, fence bigint, owner text, state text, error text, report text)
        WHERE j.id = x.job_id AND j.fence = x.fence AND j.owner = x.owner
        RETURNING j.*, x.state, x.error, x.report)
     INSERT INTO jobs_done (id, organization_id, queue, kind, args, priority, state, attempt, max_attempts,
        fence, unique_key, unique_running, exclusive, member_id, schedule, created_at, started_at, finished_at, error,
        report)
     SELECT id, organization_id, queue, kind, args, priority, state, attempt, max_attempts,
        fence, unique_key, unique_running, exclusive, member_id, schedule, created_at, started_at, $2, error, report
     FROM gone",
);
const FORGET: Sql = Sql::sqlite_only(
    "DELETE FROM jobs WHERE (id, fence, owner) IN (
        SELECT value ->> 'job_id', value ->> 'fence', value ->> 'owner' FROM json_each($1))",
);

/// Jobs that should stop rather than wait again: somebody asked to cancel them while they ran.
const UNWANTED: Sql = Sql::split(
    "SELECT id FROM jobs WHERE cancel_requested_at IS NOT NULL
       AND id IN (SELECT value ->> 'job_id' FROM json_each($1))",
    "SELECT id FROM jobs WHERE cancel_requested_at IS NOT NULL
       AND id IN (SELECT job_id FROM jsonb_to_recordset($1::jsonb) AS x (job_id text))",
);

/// Returns jobs to the waiting ones, unless another with the same key took their place. Of several with the same key
/// the one that is due first returns.
const RETURN: Sql = Sql::split(
    "WITH back AS (
        SELECT j.id AS job_id, x.value ->> 'fence' AS fence, x.value ->> 'owner' AS owner,
            x.value ->> 'due_at' AS due_at, x.value ->> 'refund' AS refund,
            row_number() OVER (PARTITION BY j.unique_running, coalesce(j.unique_key, j.id)
                               ORDER BY x.value ->> 'due_at', j.id) AS nth
        FROM json_each($1) AS x JOIN jobs AS j ON j.id = x.value ->> 'job_id'
        WHERE j.fence = x.value ->> 'fence' AND j.owner = x.value ->> 'owner')
     UPDATE jobs SET owner = NULL, in_line = TRUE, started_at = NULL,
        due_at = back.due_at, attempt = attempt - back.refund
     FROM back
     WHERE jobs.id = back.job_id AND jobs.fence = back.fence AND jobs.owner = back.owner AND back.nth = 1
       AND (jobs.unique_running OR NOT EXISTS (SELECT 1 FROM jobs AS w WHERE w.waiting_key IS NOT NULL AND w.waiting_key = jobs.unique_key))
     RETURNING jobs.id, queue",
    "WITH back AS (
        SELECT x.*, row_number() OVER (PARTITION BY j.unique_running, coalesce(j.unique_key, j.id)
                                       ORDER BY x.due_at, j.id) AS nth
        FROM jsonb_to_recordset($1::jsonb)
            AS x (job_id text, fence bigint, owner text, due_at bigint, refund bigint)
        JOIN jobs AS j ON j.id = x.job_id AND j.fence = x.fence AND j.owner = x.owner)
     UPDATE jobs SET owner = NULL, in_line = TRUE, started_at = NULL,
        due_at = back.due_at, attempt = attempt - back.refund
     FROM back
     WHERE jobs.id = back.job_id AND jobs.fence = back.fence AND jobs.owner = back.owner AND back.nth = 1
       AND (jobs.unique_running OR NOT EXISTS (SELECT 1 FROM jobs AS w WHERE w.waiting_key IS NOT NULL AND w.waiting_key = jobs.unique_key))
     RETURNING jobs.id, queue",
);

/// A waiting job that another folded into starts when the earlier of the two should have.
const HASTEN: Sql = Sql::split(
    "UPDATE jobs SET due_at = first.due_at
     FROM (SELECT d.unique_key, min(x.value ->> 'due_at') AS due_at
           FROM json_each($1) AS x JOIN jobs_done AS d ON d.id = x.value ->> 'job_id' GROUP BY d.unique_key) AS first
     WHERE jobs.waiting_key = first.unique_key AND jobs.due_at > first.due_at",
    "UPDATE jobs SET due_at = first.due_at
     FROM (SELECT d.unique_key, min(x.due_at) AS due_at
           FROM jsonb_to_recordset($1::jsonb) AS x (job_id text, due_at bigint)
           JOIN jobs_done AS d ON d.id = x.job_id GROUP BY d.unique_key) AS first
     WHERE jobs.waiting_key = first.unique_key AND jobs.due_at > first.due_at",
);

/// Where a job waits for the key of job `$1`, which has just ended.
const BEHIND: Sql = Sql::both(
    "SELECT w.queue FROM jobs_done AS d JOIN jobs AS w ON w.waiting_key = d.unique_key WHERE d.id = $1",
);

/// Tells all nodes that an exclusive job which has just ended leaves its key to one that waits: this node may have no
/// slot for it.
pub async fn hand_over(tx: &mut Tx, id: &str) -> Result<()> {
    let behind: Option<(String,)> = tx.optional(BEHIND, args![id]).await?;
    if let Some(queue) = behind.and_then(|row| Queue::parse(&row.0)) {
        tx.wake(queue);
    }
    Ok(())
}

/// Writes the ends of many runs. Whatever no longer holds its claim changes nothing and is counted as stale.
pub async fn settle(tx: &mut Tx, now: Timestamp, acks: &[Ack]) -> Result<Settled> {
    let (mut finals, mut backs, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for ack in acks {
        sort(ack, now, &mut finals, &mut backs, &mut failed);
    }
    if !failed.is_empty() {
        tx.execute(LOG, args![json(&failed)?, now]).await?;
    }
    let mut settled = Settled {
        applied: finish(tx, now, &finals).await?,
        ..Settled::default()
    };
    if !backs.is_empty() {
        let unwanted: Vec<(String,)> = tx.all(UNWANTED, args![json(&backs)?]).await?;
        let unwanted: BTreeSet<String> = unwanted.into_iter().map(|row| row.0).collect();
        let (unwanted, backs): (Vec<_>, Vec<_>) = backs
            .iter()
            .partition(|back| unwanted.contains(back.job_id));
        let unwanted: Vec<_> = unwanted
            .into_iter()
            .map(|back| ended(back, UNWANTED_ERROR))
            .collect();
        settled.applied += finish(tx, now, &unwanted).await?;
        give_back(tx, now, &backs, &mut settled).await?;
    }
    settled.stale = u64::try_from(acks.len()).unwrap_or(0) - settled.applied;
    Ok(settled)
}

async fn give_back(
    tx: &mut Tx,
    now: Timestamp,
    backs: &[&Back<'_>],
    settled: &mut Settled,
) -> Result<()> {
    if backs.is_empty() {
        return Ok(());
    }
    let returned: Vec<(String, String)> = tx.all(RETURN, args![json(backs)?]).await?;
    for (_, queue) in &returned {
        if let Some(queue) = Queue::parse(queue) {
            tx.wake(queue);
        }
    }
    let returned: BTreeSet<String> = returned.into_iter().map(|row| row.0).collect();
    let left: Vec<_> = backs
        .iter()
        .filter(|back| !returned.contains(back.job_id))
        .collect();
    let ends: Vec<_> = left.iter().map(|back| ended(back, FOLDED_ERROR)).collect();
    settled.folded = finish(tx, now, &ends).await?;
    if settled.folded > 0 {
        tx.execute(HASTEN, args![json(&left)?]).await?;
    }
    settled.applied += u64::try_from(returned.len()).unwrap_or(0) + settled.folded;
    Ok(())
}

async fn finish(tx: &mut Tx, now: Timestamp, finals: &[Final<'_>]) -> Result<u64> {
    if finals.is_empty() {
        return Ok(0);
    }
    let rows = json(finals)?;
    let ended = tx.execute(FINISH, args![&rows, now]).await?;
    tx.execute(FORGET, args![&rows]).await?;
    Ok(ended)
}

fn ended<'a>(back: &Back<'a>, error: &str) -> Final<'a> {
    Final {
        job_id: back.job_id,
        fence: back.fence,
        owner: back.owner,
        state: "cancelled",
        error: Some(error.to_owned()),
        report: None,
    }
}

fn sort<'a>(
    ack: &'a Ack,
    now: Timestamp,
    finals: &mut Vec<Final<'a>>,
    backs: &mut Vec<Back<'a>>,
    failed: &mut Vec<Failed<'a>>,
) {
    let (job_id, fence, owner) = (ack.id.as_str(), ack.fence, ack.owner.as_str());
    let mut end = |state, error: Option<&str>, report| {
        finals.push(Final {
            job_id,
            fence,
            owner,
            state,
            error: error.map(clip),
            report,
        });
    };
    let mut back = |due_at: Timestamp, refund| {
        backs.push(Back {
            job_id,
            fence,
            owner,
            due_at: due_at.0,
            refund,
        });
    };
    let mut log = |outcome, error: &str| {
        failed.push(Failed {
            job_id,
            fence,
            owner,
            outcome,
            error: clip(error),
        });
    };
    match &ack.outcome {
        Outcome::Completed { report } => end("completed", None, report.as_deref()),
        Outcome::Cancelled { error } => end("cancelled", Some(error), None),
        Outcome::Discarded { error } => {
            log("discarded", error);
            end("discarded", Some(error), None);
        }
        Outcome::Retry { due_at, error } => {
            log("retry", error);
            back(*due_at, 0);
        }
        Outcome::Snooze { due_at } => back(*due_at, 1),
        Outcome::GivenBack => back(now, 1),
    }
}

/// Keeps the beginning of a long error, where its cause stands; without NULs, which PostgreSQL's texts cannot hold.
fn clip(error: &str) -> String {
    let chars = error.chars().filter(|char| *char != '\0');
    chars.take(ERROR_CHARS_MAX).collect()
}

fn json<T: Serialize>(rows: &[T]) -> Result<String> {
    Ok(serde_json::to_string(rows).map_err(|error| sqlx::Error::Encode(error.into()))?)
}
