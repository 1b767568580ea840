//! Works out some scores from all that was counted, and compares them with those that are kept: no bit may differ.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    count::Versions,
    model::Day,
    standing::{self, ByDay, Standing},
    store::{audiences, count, scores, versions as states},
    walk,
};
use crate::kernel::{
    Context, Env, Job, JobResult, Report, Unique,
    db::{Error, Result},
    queue::Queue,
};

/// One member of so many is looked at; each has her turn after as many weeks.
const SAMPLE: i64 = 100;

/// Members of one transaction.
const MEMBERS: i64 = 200;

/// Members whose ids are told; the count is always that of all.
const TOLD_MAX: usize = 20;

/// Milliseconds of a week.
const WEEK: i64 = 7 * 24 * 60 * 60 * 1000;

/// Compares a sample of an organization's scores with what was counted.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyScores {}

impl Job for VerifyScores {
    const KIND: &'static str = "engagement.verify_scores";
    const ABOUT: &'static str = "Works out some scores from all that was counted and compares; a difference is logged as an error.";
    const QUEUE: Queue = Queue::Engagement;
    const TIMEOUT: Duration = Duration::from_mins(30);
    const UNIQUE: Unique = Unique::Live;
    const INSTALLATION: bool = true;

    fn unique_key(&self) -> Option<String> {
        Some(String::new())
    }

    async fn run(&self, cx: &Context) -> JobResult {
        let (mut compared, mut differ) = (0, 0);
        for organization in cx.env.settings.organizations.keys() {
            let verified = verify(&cx.env, organization, false).await?;
            compared += verified.compared;
            differ += verified.differ.len();
        }
        Ok(Report::none().with("compared", compared).with("differ", differ))
    }
}

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// How many scores were compared.
    pub compared: usize,
    /// The members whose scores are not what they should be.
    pub differ: Vec<String>,
}

/// Compares the scores of an organization with what was counted: of one member of a hundred, or of all.
///
/// # Errors
/// When the database cannot be read.
pub async fn verify(env: &Env, organization: &str, all: bool) -> Result<Verified> {
    let sample = if all { (0, 1) } else { ((env.now().0 / WEEK) % SAMPLE, SAMPLE) };
    let (mut verified, mut after) = (Verified::default(), 0);
    while let Some(last) = part(env, organization, sample, after, &mut verified).await? {
        after = last;
    }
    if !verified.differ.is_empty() {
        let differ = verified.differ.len();
        let members = &verified.differ[..differ.min(TOLD_MAX)];
        let differing = u64::try_from(differ).unwrap_or(u64::MAX);
        metrics::counter!("memberd_engagement_scores_differ_total").increment(differing);
        tracing::error!(
            organization, differ, ?members,
            "scores are not what was counted: `memberd engagement rebuild` makes them anew"
        );
    }
    Ok(verified)
}

/// Compares the next members after one; answers the last of them. Nothing is written: the lock keeps others from changing
/// one of the two sides meanwhile.
async fn part(
    env: &Env,
    organization: &str,
    sample: (i64, i64),
    after: i64,
    verified: &mut Verified,
) -> Result<Option<i64>> {
    let mut tx = env.db.begin().await?;
    let Some(state) = states::lock(&mut tx, organization).await? else { return Ok(None) };
    let versions = Versions::read(env, &state).await?;
    let version = versions.among([state.version].into_iter()).next();
    let version = version.ok_or_else(|| Error::from(sqlx::Error::RowNotFound))?;
    let scores = scores::sample(&mut tx, organization, version.number, after, sample, MEMBERS).await?;
    let Some(last) = scores.last().map(|score| score.member_no) else { return Ok(None) };
    let numbers = scores.iter().map(|score| score.audience_no);
    let audiences = audiences::by_numbers(&mut tx, organization, numbers).await?;
    let members = scores.iter().map(|score| score.member_no);
    let activity = count::activity(&mut tx, members, Day::from(i32::MIN), Day::from(i32::MAX)).await?;
    let worth: BTreeMap<i64, ByDay> = walk::by_day(version, &activity);
    let (none, mut differ) = (ByDay::new(), Vec::new());
    for score in &scores {
        let turned = audiences.get(&score.audience_no).and_then(|audience| audience.day);
        let day = turned.map_or(score.standing.day, |day| day.max(score.standing.day));
        let days = worth.get(&score.member_no).unwrap_or(&none);
        let right = standing::afresh(&version.formula, days, day);
        // A row that was not written when a day turned stands for that day, too.
        if right != (Standing { day, ..score.standing }) {
            differ.push(score.member_no);
        }
    }
    verified.compared += scores.len();
    verified.differ.extend(count::ids(&mut tx, organization, differ).await?);
    Ok(Some(last))
}
