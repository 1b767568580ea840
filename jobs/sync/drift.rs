//! What a reconciliation finds: noted field by field, in the transaction that repairs it.
//!
//! It is told outside and counted once the walks are over, without what events have told by then that came late. What
//! looks find after that is counted at once.

use serde_json::{Value, json};

use super::{
    compare::differences,
    store::{events, runs},
};
use crate::kernel::{
    Env, Timestamp,
    db::{Result, Tx},
    events::{Event, emit},
    ports::ObjectType,
};

/// Objects of which one reconciliation notes in what they differ; more are only counted. So many differ only where the
/// mirror was never filled.
pub(super) const NOTED_MAX: i64 = 1_000;

/// An object that is not equal on both sides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    /// Its id.
    pub(super) id: &'a str,
    /// What we hold; `None` when it is not here or counts as deleted.
    pub(super) ours: Option<&'a Value>,
    /// What Stripe says; `None` when it has no such object.
    pub(super) stripes: Option<&'a Value>,
    /// Stripe's time at which what we hold was known to be true.
    pub(super) as_of: Option<Timestamp>,
}

/// Notes in what objects of one type differ, except those that an event on its way would have repaired. Answers how many
/// of them the end of the run does not count, because it is over: for [`counted`], after the commit.
pub(super) async fn note(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    run: &str,
    kind: ObjectType,
    found: &[Found<'_>],
) -> Result<u64> {
    if found.is_empty() {
        return Ok(0);
    }
    let ids: Vec<&str> = found.iter().map(|one| one.id).collect();
    let waiting = events::waiting_of(tx, organization, kind.as_str(), &ids).await?;
    let failed = events::failed_of(tx, organization, kind.as_str(), &ids).await?;
    // What was learnt after an event failed has made it good.
    let has_failed = |one: &Found<'_>| {
        failed.get(one.id).is_some_and(|failed| one.as_of.is_none_or(|as_of| as_of <= *failed))
    };
    // What neither side has was asked for because it should be there.
    let is_there = |one: &&Found<'_>| one.ours.is_some() || one.stripes.is_some();
    let drifted: Vec<&Found<'_>> =
        found.iter().filter(is_there).filter(|one| !waiting.contains(one.id)).collect();
    let number = i64::try_from(drifted.len()).unwrap_or(i64::MAX);
    let Some(counted) = runs::count(tx, organization, run, 0, number).await? else { return Ok(0) };
    let room = usize::try_from(NOTED_MAX - (counted.drifted - number)).unwrap_or(0);
    let mut rows = Vec::new();
    for one in drifted.iter().take(room) {
        let cause = if has_failed(one) { "failed_event" } else { "no_event" };
        for difference in differences(one.ours, one.stripes) {
            rows.push(runs::Noted { kind, id: one.id, cause, difference });
        }
    }
    runs::note(tx, organization, run, &rows, env.now()).await?;
    if counted.state == "running" || number == 0 {
        return Ok(0);
    }
    let late = u64::try_from(number).unwrap_or(0);
    if counted.drifted == number {
        tell(tx, env, organization, run, late).await?;
    }
    Ok(late)
}

/// Tells outside, once for each run, that the mirror was not equal.
pub(super) async fn tell(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    run: &str,
    objects: u64,
) -> Result<()> {
    let event = Event {
        kind: "sync.drift_detected",
        organization_id: organization.to_owned(),
        member_id: None,
        data: json!({ "objects": objects, "run": run }),
    };
    emit(tx, env, &event).await
}

/// Counts objects that differed; after the commit, so that what is repeated is counted once.
pub(super) fn counted(objects: u64) {
    metrics::counter!("memberd_sync_drift_objects_total").increment(objects);
}
