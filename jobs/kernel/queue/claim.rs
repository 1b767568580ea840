//! Claiming: waiting jobs become running ones, within the limits of their queue.

use std::time::Duration;

use super::{Queue, lease};
use crate::{
    args,
    kernel::{
        clock::Timestamp,
        db::{Db, Result, Sql, Tx},
        limits::ROUND_JOBS_MAX,
    },
};

/// A job as its worker holds it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Claimed {
    /// `job_…`
    pub id: String,
    /// Whose job it is.
    pub organization_id: String,
    /// Its kind.
    pub kind: String,
    /// Its arguments as JSON.
    pub args: String,
    /// Lower runs first.
    pub priority: i64,
    /// When it became due.
    pub due_at: Timestamp,
    /// Which attempt this is, from 1.
    pub attempt: i64,
    /// The last attempt it may have.
    pub max_attempts: i64,
    /// Number of this claim; with id and owner it fences every acknowledgement.
    pub fence: i64,
    /// The process that claimed it.
    pub owner: String,
    /// Whether no other job of its key may run meanwhile.
    pub exclusive: bool,
    /// Where PostgreSQL keeps the row, its `ctid`: with it the end needs no look into an index. The row moves whenever
    /// it is written. `None` on SQLite.
    pub place: Option<String>,
}

/// A place in the order in which jobs are claimed: that of a job that was claimed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    priority: i64,
    due_at: Timestamp,
    id: String,
}

impl Claimed {
    /// Its place in the order.
    pub fn position(&self) -> Position {
        Position {
            priority: self.priority,
            due_at: self.due_at,
            id: self.id.clone(),
        }
    }
}

impl Position {
    /// Before all jobs.
    pub(super) const HEAD: (i64, Timestamp, &'static str) = (i64::MIN, Timestamp(i64::MIN), "");

    pub(super) fn parts(&self) -> (i64, Timestamp, &str) {
        (self.priority, self.due_at, &self.id)
    }
}

/// Who claims, how many, for how long.
#[derive(Clone, Debug)]
pub struct Claim<'a> {
    /// The lane.
    pub queue: Queue,
    /// The process.
    pub owner: &'a str,
    /// Id of the lease that covers what is claimed: new for each claim.
    pub lease_id: String,
    /// How long it lasts unless it is renewed.
    pub lease: Duration,
    /// Leases of this process that cover no job any more.
    pub spent: &'a [String],
    /// Free slots when no override is set.
    pub free: i64,
    /// Jobs of this lane that this process is running.
    pub busy: i64,
    /// The present moment.
    pub now: Timestamp,
    /// Jobs up to this one are left out, because somebody has looked there a moment ago. It saves PostgreSQL the walk
    /// over what it has not cleaned up yet.
    pub after: Option<&'a Position>,
}

/// What a claim brought and what the queue's row says.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// The claimed jobs, in the order they should start.
    pub jobs: Vec<Claimed>,
    /// Whether more may be waiting: as many were found as were wanted.
    pub more: bool,
}

#[derive(Clone, Copy, Debug, Default, sqlx::FromRow)]
struct Control {
    paused_at: Option<i64>,
    concurrency: Option<i64>,
    max_running: Option<i64>,
    rate_per_second: Option<i64>,
    tokens_milli: i64,
    tokens_at: i64,
}

const CONTROL: Sql = Sql::both(
    "SELECT paused_at, concurrency, max_running, rate_per_second, tokens_milli, tokens_at
     FROM queues WHERE name = $1",
);
/// Cluster-wide limits are taken under the lock of the queue's row.
const LOCK_CONTROL: Sql = Sql::split(
    "SELECT paused_at, concurrency, max_running, rate_per_second, tokens_milli, tokens_at
     FROM queues WHERE name = $1",
    "SELECT paused_at, concurrency, max_running, rate_per_second, tokens_milli, tokens_at
     FROM queues WHERE name = $1 FOR UPDATE",
);
const COUNT_RUNNING: Sql = Sql::both("SELECT count(*) FROM jobs_running WHERE queue = $1");
const SPEND: Sql = Sql::both("UPDATE queues SET tokens_milli = $2, tokens_at = $3 WHERE name = $1");

/// The materialised choice keeps PostgreSQL from running it again for each row of the update.
const CLAIM: Sql = Sql::split(
    concat!(
        "UPDATE jobs SET attempt = attempt + 1, fence = fence + 1, owner = $3, started_at = $2
     WHERE id IN (
         SELECT id FROM jobs AS j WHERE queue = $1 AND due_at <= $2 AND ",
        waits!(),
        "
         AND NOT (exclusive AND EXISTS (SELECT 1 FROM jobs AS r WHERE r.running_key IS NOT NULL AND r.running_key = j.unique_key))
         ORDER BY priority, due_at, id LIMIT $4)
     RETURNING id, organization_id, kind, args, priority, due_at, attempt, max_attempts, fence, owner, exclusive,
        CAST(NULL AS TEXT) AS place"
    ),
    concat!(
        "WITH chosen AS MATERIALIZED (
         SELECT id AS chosen_id FROM jobs AS j WHERE queue = $1 AND due_at <= $2 AND ",
        waits!(),
        "
         AND NOT (exclusive AND EXISTS (SELECT 1 FROM jobs AS r WHERE r.running_key IS NOT NULL AND r.running_key = j.unique_key))
         ORDER BY priority, due_at, id LIMIT $4 FOR UPDATE SKIP LOCKED)
     UPDATE jobs SET attempt = attempt + 1, fence = fence + 1, owner = $3, started_at = $2
     FROM chosen WHERE id = chosen_id
     RETURNING id, organization_id, kind, args, priority, due_at, attempt, max_attempts, fence, owner, exclusive,
        CAST(jobs.ctid AS TEXT) AS place"
    ),
);

const DUE: Sql = Sql::both(concat!(
    "SELECT 1 AS due FROM jobs WHERE queue = $1 AND due_at <= $2 AND ",
    waits!(),
    " LIMIT 1"
));

/// Whether a job of `queue` could be claimed, leaving its limits aside: one read, far cheaper than an idle claim.
pub async fn any_due(db: &Db, queue: Queue, now: Timestamp) -> Result<bool> {
    let found: Option<(i32,)> = db.optional(DUE, args![queue.as_str(), now]).await?;
    Ok(found.is_some())
}

/// Claims what is due, as many as there are free slots and as the queue's row allows.
pub async fn claim(tx: &mut Tx, claim: &Claim<'_>) -> Result<Round> {
    let name = claim.queue.as_str();
    let mut control: Control = tx.optional(CONTROL, args![name]).await?.unwrap_or_default();
    let limited = control.max_running.is_some() || control.rate_per_second.is_some();
    if limited {
        control = tx
            .optional(LOCK_CONTROL, args![name])
            .await?
            .unwrap_or_default();
    }
    if control.paused_at.is_some() {
        return Ok(Round::default());
    }
    let mut want = control
        .concurrency
        .map_or(claim.free, |slots| (slots - claim.busy).max(0));
    if let Some(most) = control.max_running {
        let (running,): (i64,) = tx.one(COUNT_RUNNING, args![name]).await?;
        want = want.min((most - running).max(0));
    }
    let tokens = control
        .rate_per_second
        .map(|rate| tokens(&control, rate, claim.now));
    want = want.min(tokens.map_or(i64::MAX, |milli| milli / 1000));
    want = want.min(i64::try_from(ROUND_JOBS_MAX).unwrap_or(i64::MAX));
    if want <= 0 {
        return Ok(Round::default());
    }
    let mut jobs: Vec<Claimed> = tx
        .all(CLAIM, args![name, claim.now, claim.owner, want])
        .await?;
    lease::take(tx, claim, &jobs).await?;
    sort(&mut jobs);
    let found = i64::try_from(jobs.len()).unwrap_or(i64::MAX);
    if let Some(milli) = tokens {
        // Never back: a node whose clock is behind must not fill the bucket twice for the same time.
        let at = claim.now.0.max(control.tokens_at);
        tx.execute(SPEND, args![name, milli - found * 1000, at])
            .await?;
    }
    Ok(Round {
        more: found == want,
        jobs,
    })
}

/// The order in which jobs start; RETURNING promises none.
pub(super) fn sort(jobs: &mut [Claimed]) {
    jobs.sort_unstable_by(|a, b| (a.priority, a.due_at, &a.id).cmp(&(b.priority, b.due_at, &b.id)));
}

/// What the bucket holds now, in thousandths of a job; it never holds more than one second's worth.
fn tokens(control: &Control, rate: i64, now: Timestamp) -> i64 {
    let elapsed = now.0.saturating_sub(control.tokens_at).max(0);
    let gained = elapsed.saturating_mul(rate);
    control
        .tokens_milli
        .saturating_add(gained)
        .min(rate.saturating_mul(1000))
}
