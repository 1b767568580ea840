//! The clock of access: what ends, resumes or begins without an event of Stripe's.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    settle::{CLOCK_STEP_MAX, settle},
    store,
};
use crate::{
    kernel::{Context, Env, Job, JobError, JobResult, Report, Timestamp, Unique, db},
    members::store::{Billing, Horizon, horizon, lock_due},
};

/// Members of one transaction, so that no lock is held for long.
const BATCH_MAX: i64 = 200;

/// How far ahead a run looks for the next change; the schedule fires as often.
const LOOK_AHEAD: Duration = Duration::from_mins(1);

/// Settles every member whose status, tier or products change by the clock, at the moment at which they change.
///
/// The question whether a member may use something never waits for this job: it is answered from her entitlements and
/// the time. What follows from a change (status, tier, events) is written here.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplyChanges {}

impl Job for ApplyChanges {
    const KIND: &'static str = "entitlements.apply_changes";
    const ABOUT: &'static str =
        "Lets status, tier and products of members change on time where access ends or begins by the clock.";
    /// After a long downtime many members are due.
    const TIMEOUT: Duration = Duration::from_hours(1);
    const UNIQUE: Unique = Unique::Live;
    const INSTALLATION: bool = true;

    fn unique_key(&self) -> Option<String> {
        Some(String::new())
    }

    async fn run(&self, cx: &Context) -> JobResult {
        let env = &cx.env;
        let (mut settled, mut changed) = (0_u64, 0_u64);
        loop {
            let now = env.now();
            let seen = horizon(&env.db).await?;
            if cx.cancel.is_cancelled() || !is_due(seen, now) {
                return done(seen, now, settled, changed);
            }
            let batch = batch(env, now).await?;
            if batch.settled == 0 {
                // Whoever holds the rest works them out.
                return done(Horizon::default(), now, settled, changed);
            }
            settled += batch.settled;
            changed += batch.changed;
        }
    }
}

/// Comes back when the next change is near; a later one is for the next tick of the schedule.
fn done(seen: Horizon, now: Timestamp, settled: u64, changed: u64) -> JobResult {
    if let Some(next) = seen.next_change.filter(|next| *next > now)
        && next.since(now) < LOOK_AHEAD
    {
        return Err(JobError::Snooze(next.since(now)));
    }
    Ok(Report::none().with("settled", settled).with("changed", changed))
}

fn is_due(seen: Horizon, now: Timestamp) -> bool {
    seen.next_change.is_some_and(|next| next <= now)
        || seen.last_evaluation.is_some_and(|last| last > now.plus(CLOCK_STEP_MAX))
}

struct Batch {
    settled: u64,
    changed: u64,
}

async fn batch(env: &Env, now: Timestamp) -> db::Result<Batch> {
    let mut tx = env.db.begin().await?;
    let due = lock_due(&mut tx, now, now.plus(CLOCK_STEP_MAX), BATCH_MAX).await?;
    let mut done = Batch { settled: 0, changed: 0 };
    let mut by_organization: BTreeMap<&str, Vec<&Billing>> = BTreeMap::new();
    for member in &due {
        by_organization.entry(&member.organization_id).or_default().push(member);
    }
    for (organization, members) in by_organization {
        let ids: Vec<&str> = members.iter().map(|member| member.id.as_str()).collect();
        let mut rows = store::present_of(&mut tx, organization, &ids).await?;
        let settled: Vec<_> = members
            .into_iter()
            .map(|member| (member, rows.remove(&member.id).unwrap_or_default()))
            .collect();
        done.settled += u64::try_from(settled.len()).unwrap_or(u64::MAX);
        done.changed += settle(&mut tx, env, &settled).await?;
    }
    tx.commit().await?;
    Ok(done)
}
