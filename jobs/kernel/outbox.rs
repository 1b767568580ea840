//! Enqueuing: a job exists if and only if the transaction that wanted it commits.
//!
//! A second job with the key of a waiting one folds into it. The fold touches the waiting row, so on PostgreSQL the
//! row stays locked until the caller commits and cannot be claimed before: the run sees the change that asked for it.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::{
    clock::Timestamp,
    context::Env,
    db::{Error, Result, Sql, Tx},
    job::{Job, JobDef, Unique},
    limits::{ENQUEUE_BATCH_MAX, JOB_ARGS_BYTES_MAX},
    queue::Queue,
};
use crate::args;

mod insert;
mod waiting;

#[cfg(test)]
pub(in crate::kernel) use waiting::WAITING;
pub use waiting::waiting;

use insert::{
    INSERT, INSERT_UNIQUE_LIVE, INSERT_UNIQUE_WAITING, insert, insert_alike, insert_alike_alone,
};

/// Jobs that people wait for.
pub const PRIORITY_HIGH: i64 = -10;
/// Jobs nobody hurries.
pub const PRIORITY_NORMAL: i64 = 0;
/// Jobs that give way, such as a backfill.
pub const PRIORITY_LOW: i64 = 10;

/// A job to enqueue.
#[derive(Clone, Debug)]
pub struct NewJob {
    kind: &'static str,
    queue: Queue,
    organization_id: String,
    args: String,
    priority: i64,
    due_at: Option<Timestamp>,
    max_attempts: i64,
    unique: Unique,
    unique_key: Option<String>,
    exclusive: bool,
    member_id: Option<String>,
    schedule: Option<String>,
}

/// What became of a [`NewJob`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enqueued {
    /// The job's id: a new one, or that of the job it folded into.
    pub id: String,
    /// Whether there was such a job already.
    pub folded: bool,
}

/// Why arguments were refused.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// They do not fit the kind.
    #[error("arguments of {0}: {1}")]
    Arguments(&'static str, serde_json::Error),
    /// They are larger than a job's arguments may be.
    #[error("arguments of {0} have {1} bytes, at most {JOB_ARGS_BYTES_MAX} are allowed: pass ids")]
    TooLarge(&'static str, usize),
}

impl NewJob {
    /// A job of a type that is known here.
    ///
    /// # Errors
    /// When it does not serialize or is too large.
    pub fn of<J: Job>(organization: &str, job: &J) -> Result<Self> {
        let refuse =
            |error: Refused| Error::Other(std::sync::Arc::new(sqlx::Error::Encode(error.into())));
        let args = serde_json::to_value(job).map_err(|e| refuse(Refused::Arguments(J::KIND, e)))?;
        Self::from_def(&JobDef::of::<J>(), organization, &args).map_err(refuse)
    }

    /// A job of a kind found in the registry, with arguments from outside.
    ///
    /// # Errors
    /// When the arguments do not fit the kind.
    pub fn from_def(
        def: &JobDef,
        organization: &str,
        args: &Value,
    ) -> std::result::Result<Self, Refused> {
        let read = (def.read)(args).map_err(|error| Refused::Arguments(def.kind, error))?;
        let text = args.to_string();
        if text.len() > JOB_ARGS_BYTES_MAX {
            return Err(Refused::TooLarge(def.kind, text.len()));
        }
        Ok(Self {
            kind: def.kind,
            queue: def.queue,
            organization_id: organization.to_owned(),
            args: text,
            priority: PRIORITY_NORMAL,
            due_at: None,
            max_attempts: i64::from(def.retry.attempts),
            unique: if read.unique_key.is_some() {
                def.unique
            } else {
                Unique::No
            },
            unique_key: read
                .unique_key
                .map(|key| format!("{organization}:{}:{key}", def.kind)),
            exclusive: def.exclusive,
            member_id: read.member_id,
            schedule: None,
        })
    }

    /// Not before this moment.
    #[must_use]
    pub const fn due(mut self, at: Timestamp) -> Self {
        self.due_at = Some(at);
        self
    }

    /// Lower runs first.
    #[must_use]
    pub const fn priority(mut self, priority: i64) -> Self {
        self.priority = priority;
        self
    }

    /// Whether both have the same key, so that one would fold into the other.
    pub(in crate::kernel) fn has_key_of(&self, other: &Self) -> bool {
        self.unique_key.is_some() && self.unique_key == other.unique_key
    }

    /// Fired by this schedule for the tick due at `tick`: one tick is one job, on any number of nodes.
    #[must_use]
    pub fn fired_by(mut self, schedule: &str, tick: Timestamp) -> Self {
        self.schedule = Some(schedule.to_owned());
        if self.unique == Unique::No {
            self.unique = Unique::Live;
            self.unique_key = Some(format!("schedule:{schedule}:{}", tick.0));
        }
        self
    }
}

const TAKE_WINDOW: Sql = Sql::both(
    "INSERT INTO job_windows (unique_key, job_id, until_at) VALUES ($1, $2, $3)
     ON CONFLICT (unique_key) DO UPDATE SET job_id = excluded.job_id, until_at = excluded.until_at
     WHERE job_windows.until_at <= $4
     RETURNING job_id",
);
const WINDOW_HOLDER: Sql = Sql::both("SELECT job_id FROM job_windows WHERE unique_key = $1");

/// Enqueues one job.
pub async fn enqueue(tx: &mut Tx, env: &Env, job: NewJob) -> Result<Enqueued> {
    let mut done = enqueue_many(tx, env, vec![job]).await?;
    done.pop().ok_or_else(|| sqlx::Error::RowNotFound.into())
}

/// Enqueues one job in a transaction of its own; see [`enqueue_many_alone`].
pub async fn enqueue_alone(env: &Env, job: NewJob) -> Result<Enqueued> {
    let mut done = enqueue_many_alone(env, vec![job]).await?;
    done.pop().ok_or_else(|| sqlx::Error::RowNotFound.into())
}

/// Enqueues jobs in a transaction of their own, which costs one trip to the database when they are alike and have no
/// keys. For callers that have nothing else to write.
pub async fn enqueue_many_alone(env: &Env, jobs: Vec<NewJob>) -> Result<Vec<Enqueued>> {
    let now = env.now();
    if jobs.len() <= ENQUEUE_BATCH_MAX
        && let Some(first) = jobs
            .first()
            .filter(|_| jobs.iter().all(|job| job.unique == Unique::No))
    {
        let id = |_: &NewJob| Enqueued {
            id: env.chance.id("job", now),
            folded: false,
        };
        let done: Vec<Enqueued> = jobs.iter().map(id).collect();
        if insert_alike_alone(&env.db, &jobs, &done, now).await? {
            env.db.wakes().ring(&[first.queue].into());
            return Ok(done);
        }
    }
    let mut tx = env.db.begin().await?;
    let done = enqueue_many(&mut tx, env, jobs).await?;
    tx.commit().await?;
    Ok(done)
}

/// Enqueues many jobs with one statement for each sort of uniqueness; the answers are in the order of `jobs`.
pub async fn enqueue_many(tx: &mut Tx, env: &Env, jobs: Vec<NewJob>) -> Result<Vec<Enqueued>> {
    let mut all = Vec::with_capacity(jobs.len());
    for batch in jobs.chunks(ENQUEUE_BATCH_MAX) {
        all.extend(enqueue_batch(tx, env, batch).await?);
    }
    Ok(all)
}

async fn enqueue_batch(tx: &mut Tx, env: &Env, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
    let now = env.now();
    let mut done = Vec::with_capacity(jobs.len());
    let mut groups: [Vec<usize>; 3] = Default::default();
    // The first of several equal keys in one batch; the others fold into it.
    let mut first_of: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in jobs {
        done.push(Enqueued {
            id: env.chance.id("job", now),
            folded: false,
        });
    }
    // Locks are taken in the order of their keys, so that two batches never wait for each other.
    let mut by_key: Vec<_> = jobs.iter().enumerate().collect();
    by_key.sort_by_key(|(_, job)| &job.unique_key);
    for (at, job) in by_key {
        let group = match (job.unique, job.unique_key.as_deref()) {
            (Unique::No, _) | (_, None) => 0,
            (Unique::Within(window), Some(key)) => {
                if let Some(holder) = take_window(tx, key, &done[at].id, now, window).await? {
                    done[at] = Enqueued {
                        id: holder,
                        folded: true,
                    };
                    continue;
                }
                0
            }
            (unique, Some(key)) => {
                if *first_of.entry(key).or_insert(at) != at {
                    continue;
                }
                if unique == Unique::Waiting { 1 } else { 2 }
            }
        };
        groups[group].push(at);
        tx.wake(job.queue);
    }
    if insert_alike(tx, jobs, &groups[0], &done, now).await? {
        groups[0].clear();
    }
    for (group, sql) in [INSERT, INSERT_UNIQUE_WAITING, INSERT_UNIQUE_LIVE]
        .into_iter()
        .enumerate()
    {
        insert(tx, sql, jobs, &groups[group], &mut done, now).await?;
    }
    for (at, job) in jobs.iter().enumerate() {
        let first = job.unique_key.as_deref().and_then(|key| first_of.get(key));
        if let Some(first) = first.filter(|first| **first != at) {
            done[at] = Enqueued {
                id: done[*first].id.clone(),
                folded: true,
            };
        }
    }
    Ok(done)
}

/// Takes the key's window for job `id`; answers the job that holds it if it is taken.
async fn take_window(
    tx: &mut Tx,
    key: &str,
    id: &str,
    now: Timestamp,
    window: Duration,
) -> Result<Option<String>> {
    let taken: Option<(String,)> = tx
        .optional(TAKE_WINDOW, args![key, id, now.plus(window), now])
        .await?;
    if taken.is_some() {
        return Ok(None);
    }
    let (holder,): (String,) = tx.one(WINDOW_HOLDER, args![key]).await?;
    Ok(Some(holder))
}
