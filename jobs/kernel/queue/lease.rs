//! Leases: renewing ours, rescuing those of processes that died, and the list of nodes that people see.

use std::time::Duration;

use super::{Ack, Outcome, ack};
use crate::{
    args,
    kernel::{
        clock::Timestamp,
        db::{Db, Result, Sql},
        limits::ROUND_JOBS_MAX,
    },
};

/// One job that this process still owns.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Held {
    /// The job.
    pub id: String,
    /// The claim.
    pub fence: i64,
    /// Whether somebody asked to cancel it.
    pub cancel: bool,
}

#[derive(sqlx::FromRow)]
struct Expired {
    id: String,
    fence: i64,
    owner: String,
    attempt: i64,
    max_attempts: i64,
}

const RENEW: Sql = Sql::both(
    "UPDATE jobs SET lease_until = $1 WHERE owner IS NOT NULL AND owner = $2
     RETURNING id, fence, cancel_requested_at IS NOT NULL AS cancel",
);
const HELD: Sql = Sql::both(
    "SELECT id, fence, cancel_requested_at IS NOT NULL AS cancel FROM jobs WHERE owner IS NOT NULL AND owner = $1",
);
const EXPIRED: Sql = Sql::split(
    "SELECT id, fence, owner, attempt, max_attempts FROM jobs
     WHERE owner IS NOT NULL AND lease_until < $1 LIMIT $2",
    "SELECT id, fence, owner, attempt, max_attempts FROM jobs
     WHERE owner IS NOT NULL AND lease_until < $1 LIMIT $2 FOR UPDATE SKIP LOCKED",
);
const BEAT: Sql = Sql::both(
    "INSERT INTO nodes (id, name, roles, version, started_at, beat_at) VALUES ($1, $2, $3, $4, $5, $5)
     ON CONFLICT (id) DO UPDATE SET beat_at = $6, stopped_at = NULL",
);
const STOP: Sql = Sql::both("UPDATE nodes SET stopped_at = $2 WHERE id = $1");
const FORGET_NODES: Sql = Sql::both("DELETE FROM nodes WHERE beat_at < $1");

/// Dead nodes stay on the list this long, so that people see that one is missing.
const KEEP_DEAD_NODES: Duration = Duration::from_hours(24);

/// Extends the leases of `owner` and tells which jobs it still owns.
pub async fn renew(db: &Db, owner: &str, lease_until: Timestamp) -> Result<Vec<Held>> {
    let mut tx = db.begin().await?;
    let held = tx.all(RENEW, args![lease_until, owner]).await?;
    tx.commit().await?;
    Ok(held)
}

/// What `owner` holds, without extending it: for noticing cancellations between two renewals.
pub async fn held(db: &Db, owner: &str) -> Result<Vec<Held>> {
    db.all(HELD, args![owner]).await
}

/// Returns jobs whose lease has expired; those that spent their last attempt are discarded, so that a job which
/// kills its process cannot circulate. Answers how many there were.
pub async fn rescue(db: &Db, now: Timestamp) -> Result<u64> {
    let mut rescued = 0;
    let batch = i64::try_from(ROUND_JOBS_MAX).unwrap_or(i64::MAX);
    loop {
        let mut tx = db.begin().await?;
        let expired: Vec<Expired> = tx.all(EXPIRED, args![now, batch]).await?;
        if expired.is_empty() {
            return Ok(rescued);
        }
        let ends: Vec<Ack> = expired.into_iter().map(|job| end(job, now)).collect();
        rescued += ack::settle(&mut tx, now, &ends).await?.applied;
        tx.commit().await?;
    }
}

fn end(job: Expired, now: Timestamp) -> Ack {
    let error =
        "its lease expired: the process that ran it died, hung or lost the database".to_owned();
    let outcome = if job.attempt >= job.max_attempts {
        Outcome::Discarded { error }
    } else {
        Outcome::Retry { due_at: now, error }
    };
    Ack {
        id: job.id,
        fence: job.fence,
        owner: job.owner,
        outcome,
    }
}

/// A process on the list of nodes.
#[derive(Clone, Debug)]
pub struct Node {
    /// The owner of its leases: random, new for each process.
    pub id: String,
    /// Its name, for people.
    pub name: String,
    /// Its roles, separated by commas.
    pub roles: String,
    /// Version of memberd.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
}

/// Shows that the node lives, and forgets nodes that have been dead for a day.
pub async fn beat(db: &Db, node: &Node, now: Timestamp) -> Result<()> {
    let mut tx = db.begin().await?;
    let args = args![
        &node.id,
        &node.name,
        &node.roles,
        &node.version,
        node.started_at,
        now
    ];
    tx.execute(BEAT, args).await?;
    tx.execute(FORGET_NODES, args![now.minus(KEEP_DEAD_NODES)])
        .await?;
    tx.commit().await
}

/// Shows that the node has stopped in order.
pub async fn stopped(db: &Db, node: &str, now: Timestamp) -> Result<()> {
    let mut tx = db.begin().await?;
    tx.execute(STOP, args![node, now]).await?;
    tx.commit().await
}
