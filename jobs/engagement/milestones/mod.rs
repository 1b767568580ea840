//! Milestones: figures that a member or an audience has reached, told once for ever.
//!
//! A threshold that was reached is never told again, whatever the figure does later. Who passes several at once is told of the
//! highest; the others count as told.

mod store;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{definition::{Definition, zone_or_of}, local_day};
use crate::{
    kernel::{
        Context, Env, Job, JobResult, Report, Unique,
        db::{Result, Tx},
        events::{Event, emit, emit_many},
        queue::Queue,
    },
    members,
};

/// Members who are told of in one transaction.
const BATCH: i64 = 200;
/// What is told.
const REACHED: &str = "audience.milestone_reached";
/// A member's interactions.
const INTERACTIONS: &str = "interactions";
/// An audience's members.
const MEMBERS: &str = "members";

/// The highest threshold that a figure has reached.
fn highest(thresholds: &[i64], figure: i64) -> Option<i64> {
    thresholds.iter().copied().filter(|threshold| *threshold <= figure).max()
}

/// Tells of members who were active today or yesterday and have reached a number of interactions.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TellMilestones {}

impl Job for TellMilestones {
    const KIND: &'static str = "engagement.tell_milestones";
    const ABOUT: &'static str = "Tells of members whose interactions have reached a milestone.";
    const QUEUE: Queue = Queue::Engagement;
    const TIMEOUT: std::time::Duration = std::time::Duration::from_mins(15);
    const UNIQUE: Unique = Unique::Live;
    const INSTALLATION: bool = true;

    fn unique_key(&self) -> Option<String> {
        Some(String::new())
    }

    async fn run(&self, cx: &Context) -> JobResult {
        let mut told = 0;
        for organization in cx.env.settings.organizations.keys() {
            told += of_members(cx, organization).await?;
        }
        Ok(Report::none().with("told", told))
    }
}

async fn of_members(cx: &Context, organization: &str) -> Result<usize> {
    let (env, thresholds) = (&cx.env, &cx.env.settings.milestones.interactions);
    let counting = Definition::of(env, organization).await?.counting();
    // Zones differ by less than a day and a half: whoever was active since midnight anywhere is looked at.
    let since = local_day(zone_or_of(env, organization, None), env.now()) - 2;
    let (mut told, mut after) = (0, 0);
    while !cx.cancel.is_cancelled() {
        let found = store::candidates(&env.db, organization, thresholds, since, &counting, after, BATCH).await?;
        let Some(last) = found.last() else { break };
        after = last.member_no;
        told += tell(env, organization, &found).await?;
    }
    Ok(told)
}

/// Notes what these members have reached, and tells the highest that is new of each.
async fn tell(env: &Env, organization: &str, found: &[store::Candidate]) -> Result<usize> {
    let thresholds = &env.settings.milestones.interactions;
    let mut tx = env.db.begin().await?;
    let ids: Vec<&str> = found.iter().map(|one| one.member_id.as_str()).collect();
    let locked = members::store::lock_many(&mut tx, organization, &ids).await?;
    let mut events = Vec::new();
    for one in found {
        let lives = locked.iter().any(|member| member.id == one.member_id && member.deleted_at.is_none());
        if !lives {
            continue;
        }
        let reached = thresholds.iter().copied().filter(|threshold| *threshold <= one.interactions);
        let new = store::note_member(&mut tx, (organization, &one.member_id), INTERACTIONS, reached, env.now()).await?;
        if let Some(threshold) = highest(&new, one.interactions) {
            events.push(Event {
                kind: REACHED,
                organization_id: organization.to_owned(),
                member_id: Some(one.member_id.clone()),
                data: json!({ "metric": INTERACTIONS, "threshold": threshold, "value": one.interactions }),
            });
        }
    }
    emit_many(&mut tx, env, &events).await?;
    tx.commit().await?;
    Ok(events.len())
}

/// Notes how many members an audience (of a creator, or with an empty id of the whole organization) has reached, and tells the
/// highest threshold that is new.
pub(super) async fn of_audience(
    tx: &mut Tx,
    env: &Env,
    (organization, creator): (&str, &str),
    members: i64,
) -> Result<()> {
    let thresholds = &env.settings.milestones.members;
    let reached = thresholds.iter().copied().filter(|threshold| *threshold <= members);
    let new = store::note_audience(tx, (organization, creator), MEMBERS, reached, env.now()).await?;
    let Some(threshold) = highest(&new, members) else { return Ok(()) };
    let event = Event {
        kind: REACHED,
        organization_id: organization.to_owned(),
        member_id: None,
        data: json!({
            "creator_id": Some(creator).filter(|id| !id.is_empty()), "metric": MEMBERS, "threshold": threshold,
            "value": members,
        }),
    };
    emit(tx, env, &event).await
}
