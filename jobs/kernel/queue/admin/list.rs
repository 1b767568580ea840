//! Looking at jobs: waiting, running and finished ones as one list, newest first.
//!
//! No index answers every filter, for each would cost every job its share. So a page reads at most [`WALK_ROWS_MAX`]
//! jobs of each table and says how far it came: where few jobs pass the filter, a page may be short or even empty and
//! have a next one all the same.

use super::{
    JobState,
    select::{self, Access},
};
use crate::{
    args,
    kernel::{
        clock::Timestamp,
        db::{Arg, Db, Result, Tx},
        limits::WALK_ROWS_MAX,
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

/// A page of the list.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// The jobs, newest first.
    pub jobs: Vec<JobRow>,
    /// Where the next page begins, older than this id; `None` on the last one. There may be a next page although this
    /// one is not full.
    pub before: Option<String>,
}

/// Newer than every id.
const NEWEST: &str = "~";
/// Older than every id.
const OLDEST: &str = "";

/// The ids at which a walk of its length stops in each table; `None` where the table ends before.
#[derive(sqlx::FromRow)]
struct Floors {
    live: Option<String>,
    done: Option<String>,
}

impl<'a> Filter<'a> {
    /// The parameters of [`select::rows`].
    fn args(&self, organization: &'a str, now: Timestamp) -> [Arg<'a>; 8] {
        [
            organization.into(),
            now.into(),
            self.state.map(JobState::as_str).into(),
            self.kind.into(),
            self.queue.map(Queue::as_str).into(),
            self.member_id.into(),
            self.schedule.into(),
            self.created_after.into(),
        ]
    }

    /// The shortest way to the jobs, and what it looks for.
    const fn access(&self) -> (Access, Option<&'a str>) {
        match self {
            Self {
                member_id: Some(_), ..
            } => (Access::Member, self.member_id),
            Self {
                schedule: Some(_), ..
            } => (Access::Schedule, self.schedule),
            Self {
                state: Some(state), ..
            } => match state {
                JobState::Running => (Access::Running, None),
                JobState::Scheduled | JobState::Available | JobState::Retryable => {
                    (Access::Unfinished, None)
                }
                JobState::Completed => (Access::Finished, None),
                JobState::Cancelled | JobState::Discarded => (Access::Failed, Some(state.as_str())),
            },
            _ => (Access::All, None),
        }
    }
}

/// A page of the jobs of an organization, at most `limit` and older than the job `before`.
pub async fn list(
    db: &Db,
    organization: &str,
    filter: &Filter<'_>,
    before: Option<&str>,
    limit: i64,
    now: Timestamp,
) -> Result<Listed> {
    let walk = Walk {
        rows: WALK_ROWS_MAX,
        limit,
    };
    page(db, organization, filter, before, walk, now).await
}

/// How far a page goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    /// Jobs of each table that are looked at.
    pub(super) rows: i64,
    /// Jobs of the page.
    pub(super) limit: i64,
}

/// [`list`] with a walk of any length.
pub(super) async fn page(
    db: &Db,
    organization: &str,
    filter: &Filter<'_>,
    before: Option<&str>,
    walk: Walk,
    now: Timestamp,
) -> Result<Listed> {
    let (access, key) = filter.access();
    let before = before.unwrap_or(NEWEST);
    let floors = args![before, walk.rows - 1, key];
    let floors: Floors = db.one(select::floors(access), floors).await?;
    // Of what is older than the younger of the two, one table was not looked at.
    let floor = floors.live.max(floors.done);
    let mut args = filter.args(organization, now).to_vec();
    let oldest = floor.as_deref().unwrap_or(OLDEST);
    args.extend([before.into(), oldest.into(), (walk.limit + 1).into()]);
    let mut jobs: Vec<JobRow> = db.all(select::rows(access), &args).await?;
    let shown = usize::try_from(walk.limit).unwrap_or(usize::MAX);
    let before = if jobs.len() > shown {
        jobs.truncate(shown);
        jobs.last().map(|job| job.id.clone())
    } else {
        floor
    };
    Ok(Listed { jobs, before })
}

/// The newest `most` jobs that pass the filter, however many pages that takes.
pub async fn list_all(
    db: &Db,
    organization: &str,
    filter: &Filter<'_>,
    most: i64,
    now: Timestamp,
) -> Result<Vec<JobRow>> {
    let mut jobs = Vec::new();
    let mut before: Option<String> = None;
    loop {
        let left = most - i64::try_from(jobs.len()).unwrap_or(i64::MAX);
        let listed = list(db, organization, filter, before.as_deref(), left, now).await?;
        jobs.extend(listed.jobs);
        before = listed.before;
        if before.is_none() || i64::try_from(jobs.len()).unwrap_or(i64::MAX) >= most {
            return Ok(jobs);
        }
    }
}

/// Those of the jobs `ids`, a JSON array, that pass the filter now, oldest first.
pub(super) async fn still_matching(
    tx: &mut Tx,
    organization: &str,
    filter: &Filter<'_>,
    ids: &str,
    now: Timestamp,
) -> Result<Vec<String>> {
    let mut args = filter.args(organization, now).to_vec();
    args.push(ids.into());
    let rows: Vec<(String,)> = tx.all(select::AMONG, &args).await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// One job of an organization.
pub async fn show(db: &Db, organization: &str, id: &str, now: Timestamp) -> Result<Option<JobRow>> {
    db.optional(select::SHOW, args![organization, now, id])
        .await
}

/// [`show`], as a transaction sees it.
pub async fn show_in(
    tx: &mut Tx,
    organization: &str,
    id: &str,
    now: Timestamp,
) -> Result<Option<JobRow>> {
    tx.optional(select::SHOW, args![organization, now, id])
        .await
}

/// The attempts that did not complete a job, oldest first. Ask only for a job that [`show`] has found.
pub async fn attempts(db: &Db, id: &str) -> Result<Vec<JobAttempt>> {
    db.all(select::ATTEMPTS, args![id]).await
}

/// Jobs of all organizations that are running, due, or will be tried again; what is scheduled for later is left out.
pub async fn unfinished(db: &Db, now: Timestamp) -> Result<i64> {
    let (count,): (i64,) = db.one(select::UNFINISHED, args![now]).await?;
    Ok(count)
}
