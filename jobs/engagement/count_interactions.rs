//! Counts what was told: from the inbox into members' days, and from there into their scores.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    count::{self, Batch},
    sizes::COUNTED,
    store::{count as store, versions as states},
    versions,
};
use crate::kernel::{
    Context, Env, Job, JobError, JobResult, Report, Unique,
    db::Error,
    limits::BUSY_RETRIES_MAX,
    outbox::{self, NewJob},
    queue::Queue,
};

/// Rows of the inbox that are read at once. Those of one member, day and kind are added up before anything is written.
const READ_MAX: i64 = 10_000;

/// Batches of one run; then others have their turn.
const BATCHES_MAX: usize = 50;

/// A run that was told to stop goes on after this.
const RESUME_PAUSE: Duration = Duration::from_secs(1);

/// How long counting waits for scores that are made anew because those that are there end before today.
const REBUILD_PAUSE: Duration = Duration::from_secs(10);

/// Counts the interactions of an organization that were told and not counted yet, the oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountInteractions {}

impl Job for CountInteractions {
    const KIND: &'static str = "engagement.count_interactions";
    const ABOUT: &'static str = "Counts interactions by member and day, and brings their scores up to date.";
    const QUEUE: Queue = Queue::Engagement;
    const TIMEOUT: Duration = Duration::from_mins(10);
    /// Whatever comes while it waits is counted by it; what comes while it runs is counted by the next.
    const UNIQUE: Unique = Unique::Waiting;
    const EXCLUSIVE: bool = true;

    fn unique_key(&self) -> Option<String> {
        Some(String::new())
    }

    async fn run(&self, cx: &Context) -> JobResult {
        let (env, organization) = (&cx.env, cx.organization());
        let state = match states::state(&env.db, organization).await? {
            Some(state) => state,
            None => begin(env, organization).await?,
        };
        let mut known = count::Versions::read(env, &state).await?;
        let (mut counted, mut changed) = (0, 0);
        for _ in 0..BATCHES_MAX {
            let told = store::inbox(&env.db, organization, READ_MAX).await?;
            if told.is_empty() {
                return Ok(report(counted, changed));
            }
            let is_last = told.len() < usize::try_from(READ_MAX).unwrap_or(usize::MAX);
            let mut batches = batches(env, told).into_iter().peekable();
            while let Some(batch) = batches.next() {
                if cx.cancel.is_cancelled() {
                    return Err(JobError::Snooze(RESUME_PAUSE));
                }
                let ends = is_last && batches.peek().is_none();
                let ends_with = ends.then_some((cx, counted, changed));
                match one(env, organization, &mut known, &batch, ends_with).await? {
                    Counted::Done { levels } => {
                        counted += batch.rows();
                        changed += levels;
                    }
                    Counted::Elsewhere => break,
                    Counted::NoWeights => return Err(JobError::Snooze(REBUILD_PAUSE)),
                }
                if ends {
                    return Ok(report(counted, changed));
                }
            }
        }
        let mut tx = env.db.begin().await?;
        outbox::enqueue(&mut tx, env, NewJob::of(organization, self)?).await?;
        let report = report(counted, changed);
        cx.complete_in(&mut tx, &report).await?;
        tx.commit().await?;
        Ok(report)
    }
}

fn report(counted: usize, changed: usize) -> Report {
    Report::none().with("interactions", counted).with("levels_changed", changed)
}

/// The first interactions of an organization: its scores are of the version that is wanted.
pub(super) async fn begin(env: &Env, organization: &str) -> Result<states::State, JobError> {
    let version = versions::wanted(env).await?;
    let mut tx = env.db.begin().await?;
    states::begin(&mut tx, organization, version).await?;
    tx.commit().await?;
    let state = states::state(&env.db, organization).await?;
    Ok(state.ok_or(sqlx::Error::RowNotFound)?)
}

/// Parts of what was told, each of whole members.
pub(super) fn batches(env: &Env, told: Vec<store::Told>) -> Vec<Batch> {
    let most = usize::try_from(COUNTED.of(env)).unwrap_or(usize::MAX);
    let mut members: BTreeMap<String, Vec<store::Told>> = BTreeMap::new();
    for row in told {
        members.entry(row.member_id.clone()).or_default().push(row);
    }
    let mut batches: Vec<Batch> = Vec::new();
    for (member, rows) in members {
        let fits = |batch: &&mut Batch| batch.rows() + rows.len() <= most;
        if let Some(batch) = batches.last_mut().filter(fits) {
            batch.add(member, rows);
        } else {
            let mut batch = Batch::default();
            batch.add(member, rows);
            batches.push(batch);
        }
    }
    batches
}

/// What became of a batch.
pub(super) enum Counted {
    /// It is counted, and so many levels changed.
    Done { levels: usize },
    /// Another process counted a part of it.
    Elsewhere,
    /// The scores that are there end before today.
    NoWeights,
}

/// Counts a batch in one transaction, which ends the job, too, if it is given together with what it
/// counted before.
pub(super) async fn one(
    env: &Env,
    organization: &str,
    known: &mut count::Versions,
    batch: &Batch,
    ends: Option<(&Context, usize, usize)>,
) -> Result<Counted, JobError> {
    let mut tries = 0;
    loop {
        match attempt(env, organization, known, batch, ends).await {
            Err(Error::Busy(_) | Error::Conflict(_)) if tries < BUSY_RETRIES_MAX => tries += 1,
            done => return Ok(done?),
        }
    }
}

async fn attempt(
    env: &Env,
    organization: &str,
    known: &mut count::Versions,
    batch: &Batch,
    ends: Option<(&Context, usize, usize)>,
) -> Result<Counted, Error> {
    let mut tx = env.db.begin().await?;
    let Some(state) = states::lock(&mut tx, organization).await? else {
        return Err(sqlx::Error::RowNotFound.into());
    };
    if !known.has(&state) {
        // A rebuild has begun or ended meanwhile.
        drop(tx);
        *known = count::Versions::read(env, &state).await?;
        return Err(Error::Busy("the versions of the scores have changed".to_owned()));
    }
    let gone = store::empty(&mut tx, organization, batch.numbers()).await?;
    if usize::try_from(gone).unwrap_or(usize::MAX) != batch.rows() {
        return Ok(Counted::Elsewhere);
    }
    let Some(levels) = count::count(&mut tx, env, organization, known, &state, batch).await? else {
        return Ok(Counted::NoWeights);
    };
    if let Some((cx, counted, changed)) = ends {
        cx.complete_in(&mut tx, &report(counted + batch.rows(), changed + levels)).await?;
    }
    tx.commit().await?;
    Ok(Counted::Done { levels })
}
