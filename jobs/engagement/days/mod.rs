//! How each day ended: a row for each organization and each creator, once her local day is over, and with it what was unusual.

mod store;
#[cfg(test)]
mod tests;
pub mod unusual;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::unusual::{HISTORY, Said};
pub use store::{DayRow, series};
use super::{
    Day,
    analytics::{Period, Window, analytics, period},
    definition::{Definition, zone_or_of},
    local_day, milestones,
};
use crate::kernel::{
    Context, Env, Job, JobResult, Report, Unique,
    db::{Result, Tx},
    events::{Event, emit},
    queue::Queue,
};

/// Creators that are read at once.
const PAGE: i64 = 500;
/// What is told about unusual days.
const ALERT: &str = "audience.engagement_alert";

/// Writes how the last local day of each organization and each creator ended. Days that nobody closed in time stay out:
/// levels and scores of a past day are not known.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotDays {}

impl Job for SnapshotDays {
    const KIND: &'static str = "engagement.snapshot_days";
    const ABOUT: &'static str = "Writes how each local day ended, and tells what was unusual.";
    const QUEUE: Queue = Queue::Engagement;
    const TIMEOUT: std::time::Duration = std::time::Duration::from_mins(15);
    const UNIQUE: Unique = Unique::Live;
    const INSTALLATION: bool = true;

    fn unique_key(&self) -> Option<String> {
        Some(String::new())
    }

    async fn run(&self, cx: &Context) -> JobResult {
        let mut written = 0;
        for organization in cx.env.settings.organizations.keys() {
            written += of_organization(cx, organization).await?;
        }
        Ok(Report::none().with("days", written))
    }
}

/// Closes the last day of an organization and of each of its creators; answers how many were not closed before.
async fn of_organization(cx: &Context, organization: &str) -> Result<u64> {
    let env = &cx.env;
    let zone = zone_or_of(env, organization, None);
    let day = local_day(zone, env.now()) - 1;
    let mut written = 0;
    if store::last(&env.db, (organization, "")).await? < Some(day) {
        written += u64::from(close(env, (organization, ""), zone, day).await?);
    }
    let mut after = String::new();
    while !cx.cancel.is_cancelled() {
        let creators = store::creators(&env.db, organization, &after, PAGE).await?;
        let Some(last) = creators.last() else { break };
        after.clone_from(&last.id);
        for creator in creators {
            let zone = zone_or_of(env, organization, creator.time_zone.as_deref());
            let day = local_day(zone, env.now()) - 1;
            let was_there = local_day(zone, creator.created_at) <= day;
            if was_there && creator.last_day < Some(day) {
                written += u64::from(close(env, (organization, &creator.id), zone, day).await?);
            }
        }
    }
    Ok(written)
}

/// Writes how a day ended, once, with what follows from it: alerts, and milestones of the audience.
async fn close(env: &Env, whose: store::Whose<'_>, zone: Tz, day: Day) -> Result<bool> {
    let (organization, creator) = whose;
    let creator = Some(creator).filter(|id| !id.is_empty());
    let date = period::date(day);
    let Some(window) = Window::of(Period::Day, date, date) else { return Ok(false) };
    let of = analytics(env, organization, creator, zone, window).await?;
    let counting = Definition::of(env, organization).await?.counting();
    let mut tx = env.db.begin().await?;
    let is_new = store::insert(&mut tx, whose, &of, env.now()).await?;
    if is_new {
        watch(&mut tx, env, whose, day, &counting).await?;
        milestones::of_audience(&mut tx, env, whose, of.members).await?;
    }
    tx.commit().await?;
    Ok(is_new)
}

/// Opens and ends alerts by what a day says.
async fn watch(
    tx: &mut Tx,
    env: &Env,
    whose: store::Whose<'_>,
    day: Day,
    counting: &str,
) -> Result<()> {
    let rhythm = store::rhythm(tx, whose, day - HISTORY, day, counting).await?;
    let Some((judged, said)) = rhythm.says(day, env.settings.alert_min_daily) else { return Ok(()) };
    let (organization, creator) = whose;
    let told = |state: &str, direction: &str, opened: Day| Event {
        kind: ALERT,
        organization_id: organization.to_owned(),
        member_id: None,
        data: json!({
            "creator_id": Some(creator).filter(|id| !id.is_empty()), "state": state, "direction": direction,
            "opened_on": period::date(opened).to_string(), "day": period::date(day).to_string(),
            "interactions": judged.interactions, "usual": judged.usual,
        }),
    };
    let may_stay = said.direction().map_or("", unusual::Direction::as_str);
    for ended in store::resolve(tx, whose, may_stay, day).await? {
        emit(tx, env, &told("resolved", &ended.direction, ended.opened_day)).await?;
    }
    if let Said::Alert(direction) = said
        && store::open(tx, whose, direction.as_str(), day).await?
    {
        emit(tx, env, &told("opened", direction.as_str(), day)).await?;
    }
    Ok(())
}
