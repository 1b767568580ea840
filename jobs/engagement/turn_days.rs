//! Turns the days of audiences: scores fade although nothing happens.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    count::Versions,
    model::Day,
    rebuild_scores::RebuildScores,
    sizes::TURNED,
    store::{audiences, shards, versions as states},
    tell::tell,
    versions,
};
use crate::kernel::{
    Context, Env, Job, JobError, JobResult, Report, Unique,
    db::{Error, Result},
    limits::BUSY_RETRIES_MAX,
    outbox::{self, NewJob},
    queue::Queue,
};

/// A run that was told to stop goes on after this.
const RESUME_PAUSE: Duration = Duration::from_secs(1);

/// Turns every audience whose local day is over, one day after the other, and makes sure that scores are of the version
/// that is wanted.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TurnDays {}

impl Job for TurnDays {
    const KIND: &'static str = "engagement.turn_days";
    const ABOUT: &'static str = "Brings the scores of members whose local day is over to the new day.";
    const QUEUE: Queue = Queue::Engagement;
    const TIMEOUT: Duration = Duration::from_mins(30);
    const UNIQUE: Unique = Unique::Live;
    const INSTALLATION: bool = true;

    fn unique_key(&self) -> Option<String> {
        Some(String::new())
    }

    async fn run(&self, cx: &Context) -> JobResult {
        let env = &cx.env;
        let (mut days, mut written) = (0, 0);
        for organization in env.settings.organizations.keys() {
            let Some(state) = states::state(&env.db, organization).await? else { continue };
            if versions::wanted(env).await? != state.version || state.next_version.is_some() {
                outbox::enqueue_alone(env, NewJob::of(organization, &RebuildScores {})?).await?;
            }
            while let Some(turn) = due(env, organization).await? {
                written += turn.run(cx, organization).await?;
                days += 1;
            }
        }
        Ok(Report::none().with("days", days).with("scores_written", written))
    }
}

/// A day to which audiences are to be turned.
struct Turn {
    day: Day,
    audiences: Vec<i64>,
}

/// The earliest day to which audiences are to be turned, with all of them whose days are alike.
async fn due(env: &Env, organization: &str) -> Result<Option<Turn>> {
    let mut days: BTreeMap<Day, Vec<i64>> = BTreeMap::new();
    for audience in audiences::all(&env.db, organization).await? {
        let today = audience.today(env, organization);
        if let Some(day) = audience.day.filter(|day| *day < today) {
            days.entry(day + 1).or_default().push(audience.audience_no);
        }
    }
    let turn = days.into_iter().next();
    Ok(turn.map(|(day, audiences)| Turn { day, audiences }))
}

impl Turn {
    /// Turns range by range. Whoever is stopped does it again: what is turned stays as it is.
    async fn run(&self, cx: &Context, organization: &str) -> std::result::Result<u64, JobError> {
        let (env, mut after, mut written) = (&cx.env, 0, 0);
        let most = TURNED.of(env);
        while let Some(range) = shards::next_members(&env.db, organization, after, most).await? {
            if cx.cancel.is_cancelled() {
                return Err(JobError::Snooze(RESUME_PAUSE));
            }
            written += self.range(env, organization, range).await?;
            after = range.to;
        }
        let mut tx = env.db.begin().await?;
        states::lock(&mut tx, organization).await?;
        audiences::set_day(&mut tx, organization, &self.audiences, self.day).await?;
        tx.commit().await?;
        Ok(written)
    }

    async fn range(
        &self,
        env: &Env,
        organization: &str,
        range: shards::Range,
    ) -> std::result::Result<u64, JobError> {
        let mut tries = 0;
        loop {
            match self.attempt(env, organization, range).await {
                Err(Error::Busy(_)) if tries < BUSY_RETRIES_MAX => tries += 1,
                // A version without weights for this day is about to be replaced by one that begins at a later one.
                Ok(None) => return Err(JobError::Snooze(RESUME_PAUSE)),
                done => return Ok(done?.unwrap_or_default()),
            }
        }
    }

    async fn attempt(
        &self,
        env: &Env,
        organization: &str,
        range: shards::Range,
    ) -> Result<Option<u64>> {
        let mut tx = env.db.begin().await?;
        let Some(state) = states::lock(&mut tx, organization).await? else { return Ok(Some(0)) };
        let versions = Versions::read(env, &state).await?;
        let mut written = 0;
        for version in versions.among(state.versions()) {
            if !version.reaches(self.day) {
                return Ok(None);
            }
            written += shards::turn(&mut tx, version, range, &self.audiences, self.day).await?;
        }
        let day = Some(self.day);
        let changed = shards::changed(&mut tx, organization, state.version, range, day).await?;
        tell(&mut tx, env, organization, &changed).await?;
        tx.commit().await?;
        Ok(Some(written))
    }
}
