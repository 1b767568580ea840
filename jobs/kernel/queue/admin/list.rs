//! Looking at jobs: waiting, running and finished ones as one list.

use super::JobState;
use crate::{
    args,
    kernel::{
        clock::Timestamp,
        db::{Db, Result, Sql},
        queue::Queue,
    },
};

/// A job as people see it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct JobRow {
    /// `job_…`
    pub id: String,
    /// Its lane.
    pub queue: String,
    /// Its kind.
    pub kind: String,
    /// Its arguments as JSON.
    pub args: String,
    /// Lower runs first.
    pub priority: i64,
    /// One of [`JobState`]'s words.
    pub state: String,
    /// Attempts begun.
    pub attempt: i64,
    /// Attempts it may have.
    pub max_attempts: i64,
    /// When it may run; not kept once it has finished.
    pub due_at: Option<Timestamp>,
    /// The process that runs it.
    pub owner: Option<String>,
    /// When somebody asked to cancel it while it ran.
    pub cancel_requested_at: Option<Timestamp>,
    /// The member it is about.
    pub member_id: Option<String>,
    /// The schedule that fired it.
    pub schedule: Option<String>,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// When its last attempt began.
    pub started_at: Option<Timestamp>,
    /// When it finished.
    pub finished_at: Option<Timestamp>,
    /// Why it was given up, or why the last attempt failed.
    pub error: Option<String>,
    /// What the run told about itself, as JSON.
    pub report: Option<String>,
}

/// One attempt that did not complete its job.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct JobAttempt {
    /// Which attempt, from 1.
    pub attempt: i64,
    /// The process that ran it.
    pub owner: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// `retry` or `discarded`.
    pub outcome: String,
    /// Why it failed.
    pub error: String,
}

/// How many jobs of a queue are in a state.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Count {
    /// The queue.
    pub queue: String,
    /// The state.
    pub state: String,
    /// How many.
    pub count: i64,
}

/// Which jobs: all conditions must hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    /// In this state.
    pub state: Option<JobState>,
    /// Of this kind.
    pub kind: Option<&'a str>,
    /// In this queue.
    pub queue: Option<Queue>,
    /// About this member.
    pub member_id: Option<&'a str>,
    /// Fired by this schedule.
    pub schedule: Option<&'a str>,
    /// Enqueued after this moment.
    pub created_after: Option<Timestamp>,
}

/// Waiting and running jobs of organization `$1`, with the state at `$2`.
macro_rules! live {
    () => {
        "SELECT id, queue, kind, args, priority,
            CASE WHEN owner IS NOT NULL THEN 'running' WHEN attempt > 0 THEN 'retryable'
                 WHEN due_at > $2 THEN 'scheduled' ELSE 'available' END AS state,
            attempt, max_attempts, due_at, owner, cancel_requested_at, member_id, schedule, created_at, started_at,
            CAST(NULL AS BIGINT) AS finished_at, CAST(NULL AS TEXT) AS error, CAST(NULL AS TEXT) AS report
         FROM jobs WHERE organization_id = $1"
    };
}

/// Finished jobs of organization `$1`.
macro_rules! done {
    () => {
        "SELECT id, queue, kind, args, priority, state,
            attempt, max_attempts, CAST(NULL AS BIGINT) AS due_at, CAST(NULL AS TEXT) AS owner,
            CAST(NULL AS BIGINT) AS cancel_requested_at, member_id, schedule, created_at, started_at,
            finished_at, error, report
         FROM jobs_done WHERE organization_id = $1"
    };
}

/// Jobs older than `$3` that pass the filter, at most `$4`. Each table stops at its own `$4` newest, so that the
/// primary keys are read from their ends and not sorted.
macro_rules! matching {
    ($live:literal, $done:literal) => {
        concat!(
            "SELECT * FROM (SELECT * FROM (",
            live!(),
            $live,
            ") AS l WHERE ($3 IS NULL OR id < $3)
                AND ($5 IS NULL OR state = $5) AND ($6 IS NULL OR kind = $6) AND ($7 IS NULL OR queue = $7)
                AND ($8 IS NULL OR member_id = $8) AND ($9 IS NULL OR schedule = $9)
                AND ($10 IS NULL OR created_at > $10)
             ORDER BY id DESC LIMIT $4) AS newest_live
             UNION ALL
             SELECT * FROM (SELECT * FROM (",
            done!(),
            $done,
            ") AS d WHERE ($3 IS NULL OR id < $3)
                AND ($5 IS NULL OR state = $5) AND ($6 IS NULL OR kind = $6) AND ($7 IS NULL OR queue = $7)
                AND ($8 IS NULL OR member_id = $8) AND ($9 IS NULL OR schedule = $9)
                AND ($10 IS NULL OR created_at > $10)
             ORDER BY id DESC LIMIT $4) AS newest_done
             ORDER BY id DESC LIMIT $4"
        )
    };
}

/// What is shown of the jobs `p`; the last failure is looked up only for those that still have a next attempt.
macro_rules! shown {
    ($jobs:expr) => {
        concat!(
            "SELECT id, queue, kind, args, priority, state, attempt, max_attempts, due_at, owner,
                cancel_requested_at, member_id, schedule, created_at, started_at, finished_at,
                CASE WHEN state IN ('running', 'retryable') THEN
                    (SELECT a.error FROM job_attempts AS a WHERE a.job_id = p.id ORDER BY a.fence DESC LIMIT 1)
                    ELSE error END AS error,
                report
             FROM (",
            $jobs,
            ") AS p ORDER BY id DESC"
        )
    };
}

const LIST: Sql = Sql::both(shown!(matching!("", "")));
/// The same for one member and for discarded jobs, spelled so that the databases see the index that fits.
const LIST_MEMBER: Sql = Sql::both(shown!(matching!(
    " AND member_id = $8",
    " AND member_id = $8"
)));
const LIST_DISCARDED: Sql = Sql::both(shown!(matching!(" AND 1 = 0", " AND state = 'discarded'")));
pub(super) const MATCHING_IDS: Sql = Sql::both(concat!(
    "SELECT id FROM (",
    matching!("", ""),
    ") AS p ORDER BY id"
));
const SHOW: Sql = Sql::both(shown!(concat!(
    live!(),
    " AND id = $3 UNION ALL ",
    done!(),
    " AND id = $3"
)));
const ATTEMPTS: Sql = Sql::both(
    "SELECT attempt, owner, started_at, ended_at, outcome, error FROM job_attempts
     WHERE job_id = $1 ORDER BY fence",
);
const COUNTS: Sql = Sql::both(concat!(
    "SELECT queue, state, count(*) AS count FROM (SELECT queue, state FROM (",
    live!(),
    ") AS l UNION ALL SELECT queue, state FROM jobs_done WHERE organization_id = $1) AS every
     GROUP BY queue, state ORDER BY queue, state"
));

impl Filter<'_> {
    /// The statement's parameters.
    pub(super) fn args<'a>(
        &'a self,
        organization: &'a str,
        now: Timestamp,
        before: Option<&'a str>,
        limit: i64,
    ) -> [crate::kernel::db::Arg<'a>; 10] {
        [
            organization.into(),
            now.into(),
            before.into(),
            limit.into(),
            self.state.map(JobState::as_str).into(),
            self.kind.into(),
            self.queue.map(Queue::as_str).into(),
            self.member_id.into(),
            self.schedule.into(),
            self.created_after.into(),
        ]
    }
}

const UNFINISHED: Sql =
    Sql::both("SELECT count(*) FROM jobs WHERE owner IS NOT NULL OR due_at <= $1 OR attempt > 0");

/// Jobs of an organization, newest first, older than the job `before`.
pub async fn list(
    db: &Db,
    organization: &str,
    filter: &Filter<'_>,
    before: Option<&str>,
    limit: i64,
    now: Timestamp,
) -> Result<Vec<JobRow>> {
    let sql = match filter {
        Filter {
            member_id: Some(_), ..
        } => LIST_MEMBER,
        Filter {
            state: Some(JobState::Discarded),
            ..
        } => LIST_DISCARDED,
        _ => LIST,
    };
    db.all(sql, &filter.args(organization, now, before, limit))
        .await
}

/// One job of an organization.
pub async fn show(db: &Db, organization: &str, id: &str, now: Timestamp) -> Result<Option<JobRow>> {
    db.optional(SHOW, args![organization, now, id]).await
}

/// The attempts that did not complete a job, oldest first. Ask only for a job that [`show`] has found.
pub async fn attempts(db: &Db, id: &str) -> Result<Vec<JobAttempt>> {
    db.all(ATTEMPTS, args![id]).await
}

/// Jobs of all organizations that are running, due, or will be tried again; what is scheduled for later is left out.
pub async fn unfinished(db: &Db, now: Timestamp) -> Result<i64> {
    let (count,): (i64,) = db.one(UNFINISHED, args![now]).await?;
    Ok(count)
}

/// How many jobs of an organization each queue has in each state; what is missing is zero.
pub async fn counts(db: &Db, organization: &str, now: Timestamp) -> Result<Vec<Count>> {
    db.all(COUNTS, args![organization, now]).await
}
