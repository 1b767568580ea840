//! Builds a version of an organization's scores beside the present one, then switches.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    model::Day,
    sizes::{REBUILT, SWEPT},
    store::{
        audiences, scores,
        shards::{self, Range},
        versions::{self as states, State},
    },
    tell::tell,
    versions::{self, Version},
    walk,
};
use crate::kernel::{
    Context, Env, Job, JobError, JobResult, Report, Unique,
    db::{Error, Result, Tx},
    limits::BUSY_RETRIES_MAX,
    outbox::{self, Enqueued, NewJob},
    queue::Queue,
};

/// Members whose days are walked back over at once.
const WALKED_MAX: usize = 1_000;

/// A run that was told to stop goes on after this.
const RESUME_PAUSE: Duration = Duration::from_secs(1);

/// Brings an organization's scores to the version that is wanted, if they are of another: by shards, going on where it was,
/// while counting goes on. Then tells of levels that are others now, and deletes what is left of other versions.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RebuildScores {}

impl Job for RebuildScores {
    const KIND: &'static str = "engagement.rebuild_scores";
    const ABOUT: &'static str = "Builds scores anew from all that was counted, and switches to them when they are complete.";
    const QUEUE: Queue = Queue::Engagement;
    const TIMEOUT: Duration = Duration::from_hours(2);
    const UNIQUE: Unique = Unique::Waiting;
    const EXCLUSIVE: bool = true;

    fn unique_key(&self) -> Option<String> {
        Some(String::new())
    }

    async fn run(&self, cx: &Context) -> JobResult {
        let (env, organization) = (&cx.env, cx.organization());
        let mut built = 0;
        while let Some(members) = again(|| shard(env, organization)).await? {
            built += members;
            stop_if_told(cx)?;
        }
        let told = tell_all(cx).await?;
        let forgotten = forget_others(cx).await?;
        Ok(Report::none().with("scores", built).with("levels_told", told).with("old_scores_deleted", forgotten))
    }
}

/// Orders a rebuild although nothing has changed: with a version of its own, so that it is built beside the present one.
///
/// # Errors
/// A conflict when another version is made at the same moment: tried again, it is there.
pub async fn rebuild(tx: &mut Tx, env: &Env, organization: &str) -> Result<Enqueued> {
    if states::lock(tx, organization).await?.is_some() {
        versions::make(tx, env).await?;
    }
    outbox::enqueue(tx, env, NewJob::of(organization, &RebuildScores {})?).await
}

fn stop_if_told(cx: &Context) -> std::result::Result<(), JobError> {
    if cx.cancel.is_cancelled() { Err(JobError::Snooze(RESUME_PAUSE)) } else { Ok(()) }
}

/// Tries a transaction again that met a lock, or found somebody else at the same.
async fn again<T, F: Future<Output = Result<T>>>(attempt: impl Fn() -> F) -> Result<T> {
    let mut tries = 0;
    loop {
        match attempt().await {
            Err(Error::Busy(_) | Error::Conflict(_)) if tries < BUSY_RETRIES_MAX => tries += 1,
            done => return done,
        }
    }
}

/// Builds the next shard; answers how many scores it has. `None`: the scores are of the version that is wanted. A version
/// that is wanted no more is left as it is, and deleted in the end.
async fn shard(env: &Env, organization: &str) -> Result<Option<u64>> {
    let wanted = versions::wanted(env).await?;
    let version = versions::get(&env.db, wanted).await?;
    let mut tx = env.db.begin().await?;
    let Some(state) = states::lock(&mut tx, organization).await? else { return Ok(None) };
    if state.version == wanted {
        if state.next_version.is_some() {
            let state = State { next_version: None, rebuilt_to: 0, ..state };
            states::set(&mut tx, organization, state).await?;
            tx.commit().await?;
        }
        return Ok(None);
    }
    let next = State { next_version: Some(wanted), ..state };
    let after = if state.next_version == Some(wanted) { state.rebuilt_to } else { 0 };
    let range = shards::next_days(&mut tx, after, REBUILT.of(env)).await?;
    let range = range.unwrap_or(Range { after, to: i64::MAX });
    // What an earlier attempt at this version has left was not kept up to date.
    shards::forget(&mut tx, organization, wanted, range).await?;
    let built = build(&mut tx, env, organization, &version, range).await?;
    let state = match range.to {
        i64::MAX => State { version: wanted, next_version: None, rebuilt_to: 0 },
        to => State { rebuilt_to: to, ..next },
    };
    states::set(&mut tx, organization, state).await?;
    tx.commit().await?;
    Ok(Some(built))
}

async fn build(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    version: &Version,
    range: Range,
) -> Result<u64> {
    let mut days: BTreeMap<Day, Vec<i64>> = BTreeMap::new();
    for audience in audiences::all_in(tx, organization).await? {
        days.entry(audience.today(env, organization)).or_default().push(audience.audience_no);
    }
    let (is_postgres, mut built) = (env.db.engine() == "postgres", 0);
    for (day, audiences) in days {
        built += shards::build(tx, organization, version, range, &audiences, day, is_postgres).await?;
    }
    for part in scores::unsure(tx, version.number, range.after, range.to).await?.chunks(WALKED_MAX) {
        let mut part = part.to_vec();
        walk::levels(tx, version, &mut part).await?;
        scores::put(tx, version.number, &part).await?;
    }
    Ok(built)
}

/// Tells of every level that is another than the one that was told.
async fn tell_all(cx: &Context) -> std::result::Result<usize, JobError> {
    let (env, organization) = (&cx.env, cx.organization());
    let (mut after, mut told) = (0, 0);
    while let Some(range) = shards::next_members(&env.db, organization, after, SWEPT.of(env)).await? {
        stop_if_told(cx)?;
        told += again(|| tell_some(env, organization, range)).await?;
        after = range.to;
    }
    Ok(told)
}

async fn tell_some(env: &Env, organization: &str, range: Range) -> Result<usize> {
    let mut tx = env.db.begin().await?;
    let Some(state) = states::lock(&mut tx, organization).await? else { return Ok(0) };
    let changed = shards::changed(&mut tx, organization, state.version, range, None).await?;
    if !changed.is_empty() {
        tell(&mut tx, env, organization, &changed).await?;
        tx.commit().await?;
    }
    Ok(changed.len())
}

/// Deletes the organization's scores of versions that nobody reads any more.
async fn forget_others(cx: &Context) -> std::result::Result<u64, JobError> {
    let (env, organization) = (&cx.env, cx.organization());
    let Some(state) = states::state(&env.db, organization).await? else { return Ok(0) };
    let most = SWEPT.of(env);
    let (version, next) = (state.version, state.next_version);
    let mut forgotten = 0;
    for old in shards::other_versions(&env.db, organization, version, next).await? {
        let mut after = 0;
        while let Some(range) = shards::next_members(&env.db, organization, after, most).await? {
            stop_if_told(cx)?;
            let mut tx = env.db.begin().await?;
            states::lock(&mut tx, organization).await?;
            forgotten += shards::forget(&mut tx, organization, old, range).await?;
            tx.commit().await?;
            after = range.to;
        }
    }
    let mut tx = env.db.begin().await?;
    states::forget_unused(&mut tx).await?;
    tx.commit().await?;
    Ok(forgotten)
}
