//! Leases: taking and renewing ours, rescuing what those of dead processes cover, and the list of nodes that people see.
//!
//! A lease covers all jobs that one round claimed. It stays until all of them have ended: the process that took it tells
//! when, with a later claim. A renewal takes all leases of a process together into one, so that whatever it has lost
//! sight of is forgotten or heard of there.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::{Ack, Claimed, Outcome, ack, claim::Claim};
use crate::{
    args,
    kernel::{
        clock::Timestamp,
        db::{Db, Result, Sql, Tx},
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
    /// When the run began.
    pub started_at: Timestamp,
    /// Whether it stands among the jobs that claims choose from, see [`step_out`].
    pub in_line: bool,
}

#[derive(sqlx::FromRow)]
struct Covered {
    id: String,
    fence: i64,
    owner: String,
    attempt: i64,
    max_attempts: i64,
}

const TAKE: Sql = Sql::both(
    "INSERT INTO job_leases (id, queue, owner, until_at, jobs) VALUES ($1, $2, $3, $4, $5)",
);
/// A renewal may be about to take it together with the others: whoever waited for it might be waited for.
const SPEND: Sql = Sql::split(
    "DELETE FROM job_leases WHERE id IN (SELECT value FROM json_each($1))",
    "DELETE FROM job_leases WHERE id IN (
        SELECT id FROM job_leases WHERE id = ANY (ARRAY (SELECT jsonb_array_elements_text($1::jsonb)))
        FOR UPDATE SKIP LOCKED)",
);
/// One statement on PostgreSQL: a lease that a round takes meanwhile is neither read nor deleted.
const MERGE: Sql = Sql::split(
    "INSERT INTO job_leases (id, queue, owner, until_at, jobs)
     SELECT $1 || '_' || queue, queue, $2, $3, json_group_object(id, fence) FROM jobs_running WHERE owner = $2
     GROUP BY queue",
    "WITH lease AS (DELETE FROM job_leases WHERE owner = $2 RETURNING queue, owner, jobs),
     held AS (
        SELECT lease.queue, job.id, job.fence FROM lease
        CROSS JOIN LATERAL json_each_text(lease.jobs::json) AS claim (job_id, job_fence)
        CROSS JOIN LATERAL (SELECT id, fence, owner FROM jobs WHERE jobs.id = claim.job_id LIMIT 1) AS job
        WHERE job.owner = lease.owner AND job.fence = claim.job_fence::bigint)
     INSERT INTO job_leases (id, queue, owner, until_at, jobs)
     SELECT $1 || '_' || queue, queue, $2, $3, json_object_agg(id, fence)::text FROM held GROUP BY queue",
);
const MERGED: Sql =
    Sql::sqlite_only("DELETE FROM job_leases WHERE owner = $2 AND id <> $1 || '_' || queue");
const HELD: Sql = Sql::both(
    "SELECT id, fence, cancel_requested_at IS NOT NULL AS cancel, started_at, in_line FROM jobs_running WHERE owner = $1",
);
/// What a round is about to end need not step out any more, and waiting for it could be a deadlock.
const STEP_OUT: Sql = Sql::split(
    "UPDATE jobs SET in_line = FALSE WHERE owner = $2 AND id IN (SELECT value FROM json_each($1))",
    "UPDATE jobs SET in_line = FALSE WHERE id = ANY (ARRAY (
        SELECT id FROM jobs WHERE owner = $2 AND id = ANY (ARRAY (SELECT jsonb_array_elements_text($1::jsonb)))
        FOR UPDATE SKIP LOCKED))",
);
const EXPIRED: Sql = Sql::split(
    "SELECT id FROM job_leases WHERE until_at < $1 LIMIT 1",
    "SELECT id FROM job_leases WHERE until_at < $1 LIMIT 1 FOR UPDATE SKIP LOCKED",
);
const COVERED: Sql = Sql::both(
    "SELECT id, fence, owner, attempt, max_attempts FROM jobs_running WHERE lease_id = $1",
);
const END: Sql = Sql::both("DELETE FROM job_leases WHERE id = $1");
const BEAT: Sql = Sql::both(
    "INSERT INTO nodes (id, name, roles, version, started_at, beat_at) VALUES ($1, $2, $3, $4, $5, $5)
     ON CONFLICT (id) DO UPDATE SET beat_at = $6, stopped_at = NULL",
);
const STOP: Sql = Sql::both("UPDATE nodes SET stopped_at = $2 WHERE id = $1");
const FORGET_NODES: Sql = Sql::both("DELETE FROM nodes WHERE beat_at < $1");

/// Dead nodes stay on the list this long, so that people see that one is missing.
const KEEP_DEAD_NODES: Duration = Duration::from_hours(24);

/// Takes a lease on what was claimed, and forgets those that cover nothing any more.
pub(super) async fn take(tx: &mut Tx, claim: &Claim<'_>, jobs: &[Claimed]) -> Result<()> {
    if !claim.spent.is_empty() {
        tx.execute(SPEND, args![json(&claim.spent)?]).await?;
    }
    if jobs.is_empty() {
        return Ok(());
    }
    let covered: BTreeMap<_, _> = jobs.iter().map(|job| (&job.id, job.fence)).collect();
    let until = claim.now.plus(claim.lease);
    let args = args![
        &claim.lease_id,
        claim.queue.as_str(),
        claim.owner,
        until,
        json(&covered)?
    ];
    tx.execute(TAKE, args).await?;
    Ok(())
}

/// A parameter with many values.
pub(super) fn json(values: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string(values).map_err(|error| sqlx::Error::Encode(error.into()))?)
}

/// Takes the leases of `owner` together into one for each queue, which lasts until `until`, and tells which jobs it still
/// owns. `id` is new: the beginning of the ids of these leases.
pub async fn renew(db: &Db, owner: &str, id: &str, until: Timestamp) -> Result<Vec<Held>> {
    let mut tx = db.begin().await?;
    tx.execute(MERGE, args![id, owner, until]).await?;
    tx.execute(MERGED, args![id, owner]).await?;
    let held = tx.all(HELD, args![owner]).await?;
    tx.commit().await?;
    Ok(held)
}

/// Takes jobs that go on running out of the index that claims read, so that those do not walk over them each time.
pub async fn step_out(db: &Db, owner: &str, ids: &[&str]) -> Result<()> {
    let mut tx = db.begin().await?;
    tx.execute(STEP_OUT, args![json(&ids)?, owner]).await?;
    tx.commit().await
}

/// What `owner` holds, without extending it: for noticing cancellations between two renewals.
pub async fn held(db: &Db, owner: &str) -> Result<Vec<Held>> {
    db.all(HELD, args![owner]).await
}

/// Returns the jobs of leases that have expired; those that spent their last attempt are discarded, so that a job which
/// kills its process cannot circulate. Answers how many there were.
pub async fn rescue(db: &Db, now: Timestamp) -> Result<u64> {
    let mut rescued = 0;
    loop {
        let mut tx = db.begin().await?;
        let expired: Option<(String,)> = tx.optional(EXPIRED, args![now]).await?;
        let Some((lease,)) = expired else {
            return Ok(rescued);
        };
        let covered: Vec<Covered> = tx.all(COVERED, args![&lease]).await?;
        let ends: Vec<Ack> = covered.into_iter().map(|job| end(job, now)).collect();
        rescued += ack::settle(&mut tx, now, &ends).await?.applied;
        tx.execute(END, args![&lease]).await?;
        tx.commit().await?;
    }
}

fn end(job: Covered, now: Timestamp) -> Ack {
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
