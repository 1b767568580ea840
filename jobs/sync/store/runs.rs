//! The tables `sync_runs`, `sync_drift` and `sync_seen`: what reconciliations found.

use std::collections::BTreeSet;

use serde::Serialize;

use super::super::compare::Difference;
use crate::{
    args,
    kernel::{
        Timestamp,
        db::{Db, Result, Sql, Tx},
        ports::ObjectType,
    },
};

/// A reconciliation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Run {
    /// `rec_…`
    pub id: String,
    /// `running`, `done`, or `abandoned` when it was broken off and the next one began anew.
    pub state: String,
    /// Objects compared.
    pub objects: i64,
    /// Those of them that differed although no event was waiting.
    pub drifted: i64,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// A field that was not equal on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct DriftRow {
    /// The reconciliation that found it.
    pub run_id: String,
    /// Stripe's word.
    pub object_type: String,
    /// Stripe's id.
    pub object_id: String,
    /// The field; `object` when the whole object is missing on one side.
    pub field: String,
    /// What we held, or how much of it.
    pub ours: Option<String>,
    /// What Stripe said, or how much of it.
    pub stripes: Option<String>,
    /// Why it was not equal: `no_event` when none told of it, `failed_event` when one did and could not be applied.
    pub cause: String,
    /// When it was found.
    pub found_at: Timestamp,
}

const BEGIN: Sql = Sql::both(
    "INSERT INTO sync_runs (id, organization_id, state, started_at) VALUES ($1, $2, 'running', $3)",
);
const RUNNING: Sql = Sql::both(
    "SELECT id, state, objects, drifted, started_at, finished_at FROM sync_runs
     WHERE organization_id = $1 AND state = 'running' ORDER BY started_at DESC LIMIT 1",
);
/// Of a run that goes on, the place of a walk has moved.
const ABANDON: Sql = Sql::both(
    "UPDATE sync_runs SET state = 'abandoned' WHERE organization_id = $1 AND state = 'running' AND started_at < $2
       AND NOT EXISTS (SELECT 1 FROM sync_cursors
                       WHERE organization_id = $1 AND stream LIKE 'reconcile:%' AND updated_at >= $2)
     RETURNING id, state, objects, drifted, started_at, finished_at",
);
const LATEST: Sql = Sql::both(
    "SELECT id, state, objects, drifted, started_at, finished_at FROM sync_runs
     WHERE organization_id = $1 ORDER BY started_at DESC, id DESC LIMIT $2",
);
const COUNT: Sql = Sql::both(
    "UPDATE sync_runs SET objects = objects + $3, drifted = drifted + $4 WHERE organization_id = $1 AND id = $2
     RETURNING state, drifted",
);
/// Objects that a reconciliation found different before an event came that tells of their change.
const LATE: Sql = Sql::both(
    "SELECT DISTINCT d.object_type, d.object_id FROM sync_drift AS d
     JOIN stripe_events AS e ON e.organization_id = d.organization_id AND e.object_type = d.object_type
        AND e.object_id = d.object_id
     WHERE d.run_id = $1 AND d.organization_id = $2 AND d.cause = 'no_event' AND e.received_at >= $3
       AND e.received_at >= d.found_at AND e.created_at <= d.found_at",
);
const EXCUSE: Sql =
    Sql::both("DELETE FROM sync_drift WHERE run_id = $1 AND object_type = $2 AND object_id = $3");
const LAST_DONE: Sql =
    Sql::both("SELECT max(finished_at) FROM sync_runs WHERE organization_id = $1 AND state = 'done'");
const FINISH: Sql =
    Sql::both("UPDATE sync_runs SET state = 'done', finished_at = $2 WHERE id = $1");
const FORGET: Sql = Sql::both(
    "DELETE FROM sync_runs WHERE organization_id = $1 AND state <> 'running' AND started_at < $2",
);
const FORGET_DRIFT: Sql = Sql::both("DELETE FROM sync_drift WHERE organization_id = $1 AND found_at < $2");
const NOTE: Sql = Sql::both(
    "INSERT INTO sync_drift (organization_id, run_id, object_type, object_id, field, ours, stripes, cause, found_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     ON CONFLICT (run_id, object_type, object_id, field) DO NOTHING",
);
const DRIFT: Sql = Sql::both(
    "SELECT run_id, object_type, object_id, field, ours, stripes, cause, found_at FROM sync_drift
     WHERE organization_id = $1 ORDER BY found_at DESC, object_type, object_id, field LIMIT $2",
);
const SEE: Sql = Sql::both(
    "INSERT INTO sync_seen (organization_id, stream, object_id) VALUES ($1, $2, $3)
     ON CONFLICT (organization_id, stream, object_id) DO NOTHING",
);
const ANY_SEEN: Sql =
    Sql::both("SELECT object_id FROM sync_seen WHERE organization_id = $1 AND stream = $2 LIMIT 1");
/// The array is made once; as a subquery in IN, PostgreSQL would sort all rows again for each.
const TAKE_SEEN: Sql = Sql::split(
    "DELETE FROM sync_seen WHERE organization_id = $1 AND stream = $2 AND object_id IN (
        SELECT object_id FROM sync_seen WHERE organization_id = $1 AND stream = $2 ORDER BY object_id LIMIT $3)
     RETURNING object_id",
    "DELETE FROM sync_seen WHERE organization_id = $1 AND stream = $2 AND object_id = ANY (ARRAY(
        SELECT object_id FROM sync_seen WHERE organization_id = $1 AND stream = $2 ORDER BY object_id LIMIT $3))
     RETURNING object_id",
);
const CLEAR: Sql = Sql::both("DELETE FROM sync_seen WHERE organization_id = $1 AND stream = $2");

/// Begins a reconciliation, unless one came further after `resume_since`: then that goes on. Answers also those that
/// were abandoned for it.
pub async fn begin(
    tx: &mut Tx,
    organization: &str,
    id: &str,
    now: Timestamp,
    resume_since: Timestamp,
) -> Result<(Run, Vec<Run>)> {
    let abandoned = tx.all(ABANDON, args![organization, resume_since]).await?;
    if let Some(run) = tx.optional(RUNNING, args![organization]).await? {
        return Ok((run, abandoned));
    }
    tx.execute(BEGIN, args![id, organization, now]).await?;
    Ok((tx.one(RUNNING, args![organization]).await?, abandoned))
}

/// What a reconciliation has found so far.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Counted {
    /// As in [`Run`].
    pub state: String,
    /// Objects that differed.
    pub drifted: i64,
}

/// Adds to what a reconciliation of the organization has compared and found; `None`: it was forgotten.
pub async fn count(
    tx: &mut Tx,
    organization: &str,
    run: &str,
    objects: i64,
    drifted: i64,
) -> Result<Option<Counted>> {
    tx.optional(COUNT, args![organization, run, objects, drifted]).await
}

/// Takes back what a reconciliation has found of which an event told that was still on its way. Answers how many objects
/// differed all the same.
pub async fn excuse(tx: &mut Tx, organization: &str, run: &Run) -> Result<i64> {
    let late: Vec<(String, String)> =
        tx.all(LATE, args![&run.id, organization, run.started_at]).await?;
    for (kind, id) in &late {
        tx.execute(EXCUSE, args![&run.id, kind, id]).await?;
    }
    let counted = count(tx, organization, &run.id, 0, -i64::try_from(late.len()).unwrap_or(0)).await?;
    Ok(counted.map_or(0, |counted| counted.drifted))
}

/// When the last reconciliation ended that saw everything.
pub async fn last_done(db: &Db, organization: &str) -> Result<Option<Timestamp>> {
    let (last,): (Option<Timestamp>,) = db.one(LAST_DONE, args![organization]).await?;
    Ok(last)
}

/// Ends a reconciliation, and forgets those that began before a moment.
pub async fn finish(
    tx: &mut Tx,
    organization: &str,
    run: &str,
    now: Timestamp,
    forget_before: Timestamp,
) -> Result<()> {
    tx.execute(FINISH, args![run, now]).await?;
    tx.execute(FORGET, args![organization, forget_before]).await?;
    tx.execute(FORGET_DRIFT, args![organization, forget_before]).await?;
    Ok(())
}

/// The latest reconciliations, newest first.
pub async fn latest(db: &Db, organization: &str, limit: i64) -> Result<Vec<Run>> {
    db.all(LATEST, args![organization, limit]).await
}

/// A field to be noted.
#[derive(Clone, Debug)]
pub struct Noted<'a> {
    /// The object's type.
    pub kind: ObjectType,
    /// Its id.
    pub id: &'a str,
    /// Why it was not equal.
    pub cause: &'static str,
    /// The field, and what can be shown of it.
    pub difference: Difference,
}

/// Notes in what objects differed. A field that was noted by this run stays as it was found first.
pub async fn note(
    tx: &mut Tx,
    organization: &str,
    run: &str,
    all: &[Noted<'_>],
    now: Timestamp,
) -> Result<()> {
    let row = |one: &Noted<'_>| {
        args![
            organization.to_owned(),
            run.to_owned(),
            one.kind.as_str(),
            one.id.to_owned(),
            one.difference.field.clone(),
            one.difference.ours.clone(),
            one.difference.stripes.clone(),
            one.cause,
            now
        ]
        .to_vec()
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    tx.insert(NOTE, &rows).await?;
    Ok(())
}

/// What was found last, newest first.
pub async fn drift(db: &Db, organization: &str, limit: i64) -> Result<Vec<DriftRow>> {
    db.all(DRIFT, args![organization, limit]).await
}

/// Notes which objects a walk has met.
pub async fn see(tx: &mut Tx, organization: &str, stream: &str, ids: &[&str]) -> Result<()> {
    let rows: Vec<_> = ids.iter().map(|id| args![organization, stream, *id].to_vec()).collect();
    tx.insert(SEE, &rows).await?;
    Ok(())
}

/// Whether anything is noted as met.
pub async fn any_seen(tx: &mut Tx, organization: &str, stream: &str) -> Result<bool> {
    let row: Option<(String,)> = tx.optional(ANY_SEEN, args![organization, stream]).await?;
    Ok(row.is_some())
}

/// Takes some of what is noted as met.
pub async fn take_seen(
    tx: &mut Tx,
    organization: &str,
    stream: &str,
    limit: i64,
) -> Result<BTreeSet<String>> {
    let rows: Vec<(String,)> = tx.all(TAKE_SEEN, args![organization, stream, limit]).await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Forgets which objects a walk has met.
pub async fn forget_seen(tx: &mut Tx, organization: &str, stream: &str) -> Result<()> {
    tx.execute(CLEAR, args![organization, stream]).await?;
    Ok(())
}
