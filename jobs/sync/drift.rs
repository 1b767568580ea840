//! What a reconciliation finds: noted field by field, in the transaction that repairs it.

use serde_json::{Value, json};

use super::{
    compare::differences,
    store::{events, runs},
};
use crate::kernel::{
    Env,
    db::{Result, Tx},
    events::Event,
    ports::ObjectType,
};

/// Objects of which one reconciliation notes in what they differ; more are only counted. So many differ only where the
/// mirror was never filled.
const NOTED_MAX: i64 = 1_000;

/// An object that is not equal on both sides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    /// Its id.
    pub(super) id: &'a str,
    /// What we hold; `None` when it is not here or counts as deleted.
    pub(super) ours: Option<&'a Value>,
    /// What Stripe says; `None` when it has no such object.
    pub(super) stripes: Option<&'a Value>,
}

/// Notes in what objects of one type differ, except those that an event on its way would have repaired. Answers how many
/// it were.
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
    let drifted: Vec<&Found<'_>> = found.iter().filter(|one| !waiting.contains(one.id)).collect();
    let number = i64::try_from(drifted.len()).unwrap_or(i64::MAX);
    let before = runs::count(tx, run, 0, number).await? - number;
    let room = usize::try_from(NOTED_MAX - before).unwrap_or(0);
    let mut rows = Vec::new();
    for one in drifted.iter().take(room) {
        let cause = if failed.contains(one.id) { "failed_event" } else { "no_event" };
        for difference in differences(one.ours, one.stripes) {
            rows.push(runs::Noted { kind, id: one.id, cause, difference });
        }
    }
    runs::note(tx, organization, run, &rows, env.now()).await?;
    let number = u64::try_from(drifted.len()).unwrap_or(u64::MAX);
    metrics::counter!("memberd_sync_drift_objects_total").increment(number);
    Ok(number)
}

/// What is told outside when the mirror was not equal.
pub(super) fn detected(organization: &str, run: &str, objects: u64) -> Event {
    Event {
        kind: "sync.drift_detected",
        organization_id: organization.to_owned(),
        member_id: None,
        data: json!({ "objects": objects, "run": run }),
    }
}
