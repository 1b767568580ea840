//! How many jobs there are. A small table is counted whenever somebody asks; a large one now and then, by one process,
//! and what was counted is shown with the time at which it was.
//!
//! The two tables are counted apart from each other, because usually one of them is small: many finished jobs do not
//! make the number of waiting ones old.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    args,
    kernel::{
        clock::Timestamp,
        db::{Db, Result, Sql},
        limits::{COUNT_AT_ONCE_MAX, COUNT_SLICE_ROWS},
    },
};

/// Shortest time between two counts of a large table.
const PAUSE_MIN: Duration = Duration::from_secs(15);
/// Longest.
const PAUSE_MAX: Duration = Duration::from_mins(30);
/// A large table is counted again after so many times what the last count took, so that counting costs 2 % of a core.
const PAUSE_FACTOR: u32 = 50;
/// How long nobody else counts a table that somebody is counting; if she dies, somebody else begins after that.
const CLAIM: Duration = Duration::from_mins(2);

/// How many jobs of a queue are in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The queue.
    pub queue: String,
    /// The state.
    pub state: String,
    /// How many.
    pub count: i64,
}

/// The jobs of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// What is not zero, by queue and state.
    pub rows: Vec<Count>,
    /// When waiting jobs were counted; running ones are always counted at once.
    pub unfinished_counted_at: Timestamp,
    /// When finished jobs were counted.
    pub finished_counted_at: Timestamp,
}

/// One of the two tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Waiting and running jobs.
    Unfinished,
    /// The history.
    Finished,
}

/// Jobs by organization, queue and state.
pub(super) type Tally = BTreeMap<String, BTreeMap<String, BTreeMap<String, i64>>>;

/// How much is counted at once and by one statement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    pub(super) at_once: i64,
    pub(super) slice: i64,
}

impl Reach {
    /// That of production.
    pub(super) const USUAL: Self = Self {
        at_once: COUNT_AT_ONCE_MAX,
        slice: COUNT_SLICE_ROWS,
    };
}

/// One text for queue, state and organization: to group by three costs twice as much on SQLite.
const SLICE_UNFINISHED: Sql = Sql::both(
    "SELECT lane, count(*) AS count, max(id) AS last FROM (
        SELECT id, queue || ' ' || CASE WHEN owner IS NOT NULL THEN 'running' WHEN attempt > 0 THEN 'retryable'
            WHEN due_at > $3 THEN 'scheduled' ELSE 'available' END || ' ' || organization_id AS lane
        FROM jobs WHERE id > $1 ORDER BY id LIMIT $2) AS slice
     GROUP BY lane",
);
const SLICE_FINISHED: Sql = Sql::both(
    "SELECT lane, count(*) AS count, max(id) AS last FROM (
        SELECT id, queue || ' ' || state || ' ' || organization_id AS lane
        FROM jobs_done WHERE id > $1 ORDER BY id LIMIT $2) AS slice
     GROUP BY lane",
);
const LARGE_UNFINISHED: Sql = Sql::both("SELECT id FROM jobs ORDER BY id LIMIT 1 OFFSET $1");
const LARGE_FINISHED: Sql = Sql::both("SELECT id FROM jobs_done ORDER BY id LIMIT 1 OFFSET $1");
const RUNNING: Sql = Sql::both(
    "SELECT queue, organization_id, count(*) AS count FROM jobs_running
     GROUP BY queue, organization_id",
);
/// As long as jobs end, the youngest changes, and when they are forgotten, the oldest. One that waited long or that people
/// retry may change neither, so that an unchanged count is believed for [`PAUSE_MAX`] only.
const MARK: Sql = Sql::both(
    "SELECT (SELECT min(id) FROM jobs_done) AS oldest, (SELECT max(id) FROM jobs_done) AS youngest",
);
const KNOWN: Sql = Sql::both("SELECT counted_at, counts, mark FROM job_counts WHERE part = $1");
/// A due time further away than the longest pause is one of a clock that has been put back.
const CLAIM_COUNT: Sql = Sql::both(
    "INSERT INTO job_counts (part, due_at) VALUES ($1, $3)
     ON CONFLICT (part) DO UPDATE SET due_at = excluded.due_at
        WHERE job_counts.due_at <= $2 OR job_counts.due_at > $4",
);
const REMEMBER: Sql = Sql::both(
    "UPDATE job_counts SET due_at = $2, counted_at = $3, counts = $4, mark = $5 WHERE part = $1",
);
const FORGET: Sql = Sql::both("DELETE FROM job_counts WHERE part = $1");

#[derive(sqlx::FromRow)]
struct Known {
    counted_at: Option<Timestamp>,
    counts: Option<String>,
    mark: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Slice {
    lane: String,
    count: i64,
    last: String,
}

impl Part {
    const ALL: [Self; 2] = [Self::Unfinished, Self::Finished];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Unfinished => "unfinished",
            Self::Finished => "finished",
        }
    }

    pub(super) const fn slice(self) -> Sql {
        match self {
            Self::Unfinished => SLICE_UNFINISHED,
            Self::Finished => SLICE_FINISHED,
        }
    }

    pub(super) const fn large(self) -> Sql {
        match self {
            Self::Unfinished => LARGE_UNFINISHED,
            Self::Finished => LARGE_FINISHED,
        }
    }
}

/// How many jobs of an organization each queue has in each state.
pub async fn counts(db: &Db, organization: &str, now: Timestamp) -> Result<Counts> {
    of_organization(db, organization, Reach::USUAL, now).await
}

/// [`counts`] with any reach.
pub(super) async fn of_organization(
    db: &Db,
    organization: &str,
    reach: Reach,
    now: Timestamp,
) -> Result<Counts> {
    let (unfinished, unfinished_counted_at) = tally(db, Part::Unfinished, reach, now).await?;
    let (finished, finished_counted_at) = tally(db, Part::Finished, reach, now).await?;
    let rows = [unfinished, finished]
        .into_iter()
        .filter_map(|mut tally| tally.remove(organization))
        .flatten()
        .flat_map(|(queue, states)| {
            states.into_iter().map(move |(state, count)| Count {
                queue: queue.clone(),
                state,
                count,
            })
        });
    Ok(Counts {
        rows: rows.collect(),
        unfinished_counted_at,
        finished_counted_at,
    })
}

/// The jobs of one table and when they were counted: now, unless they are many.
pub(super) async fn tally(
    db: &Db,
    part: Part,
    reach: Reach,
    now: Timestamp,
) -> Result<(Tally, Timestamp)> {
    if !is_large(db, part, reach).await? {
        return Ok((count(db, part, reach.at_once + 1, now).await?, now));
    }
    let known: Option<Known> = db.optional(KNOWN, args![part.as_str()]).await?;
    let known = known.and_then(|known| {
        let tally: Tally = serde_json::from_str(&known.counts?).ok()?;
        Some((tally, known.counted_at?))
    });
    // Too many since a moment ago: nobody has counted them yet.
    let Some((mut tally, counted_at)) = known else {
        return Ok((count(db, part, reach.slice, now).await?, now));
    };
    if part == Part::Unfinished {
        refresh_running(db, &mut tally).await?;
    }
    Ok((tally, counted_at))
}

/// Whether more jobs are there than are counted at once.
async fn is_large(db: &Db, part: Part, reach: Reach) -> Result<bool> {
    let beyond: Option<(String,)> = db.optional(part.large(), args![reach.at_once]).await?;
    Ok(beyond.is_some())
}

/// Running jobs are few and have an index, so that they are never old.
async fn refresh_running(db: &Db, tally: &mut Tally) -> Result<()> {
    for states in tally.values_mut().flat_map(BTreeMap::values_mut) {
        states.remove("running");
    }
    let running: Vec<(String, String, i64)> = db.all(RUNNING, &[]).await?;
    for (queue, organization, count) in running {
        let states = tally.entry(organization).or_default().entry(queue);
        states.or_default().insert("running".to_owned(), count);
    }
    Ok(())
}

/// Counts the large tables whose time has come, unless another process does; forgets what is known of small ones.
/// Answers how many tables were counted.
pub async fn refresh(db: &Db, now: Timestamp) -> Result<usize> {
    refresh_within(db, Reach::USUAL, now).await
}

/// [`refresh`] with any reach.
pub(super) async fn refresh_within(db: &Db, reach: Reach, now: Timestamp) -> Result<usize> {
    let mut counted = 0;
    for part in Part::ALL {
        let known: Option<Known> = db.optional(KNOWN, args![part.as_str()]).await?;
        if !is_large(db, part, reach).await? {
            // What is remembered would be old when the table has grown again.
            if known.is_some() {
                forget(db, part).await?;
            }
            continue;
        }
        let mark = mark(db, part).await?;
        let unchanged = mark.is_some()
            && known.is_some_and(|known| {
                known.mark == mark && known.counted_at.is_some_and(|at| now.since(at) < PAUSE_MAX)
            });
        if !unchanged && claim(db, part, now).await? {
            let begun = Instant::now();
            let tally = count(db, part, reach.slice, now).await?;
            remember(db, part, &tally, mark, now, pause(begun.elapsed())).await?;
            counted += 1;
        }
    }
    Ok(counted)
}

fn pause(took: Duration) -> Duration {
    (took * PAUSE_FACTOR).clamp(PAUSE_MIN, PAUSE_MAX)
}

/// What the history looks like, as far as two of its rows tell.
async fn mark(db: &Db, part: Part) -> Result<Option<String>> {
    if part == Part::Unfinished {
        return Ok(None);
    }
    let (oldest, youngest): (Option<String>, Option<String>) = db.one(MARK, &[]).await?;
    Ok(oldest
        .zip(youngest)
        .map(|(oldest, youngest)| format!("{oldest} {youngest}")))
}

async fn claim(db: &Db, part: Part, now: Timestamp) -> Result<bool> {
    let mut tx = db.begin().await?;
    let args = args![part.as_str(), now, now.plus(CLAIM), now.plus(PAUSE_MAX)];
    let claimed = tx.execute(CLAIM_COUNT, args).await? > 0;
    tx.commit().await?;
    Ok(claimed)
}

async fn remember(
    db: &Db,
    part: Part,
    tally: &Tally,
    mark: Option<String>,
    now: Timestamp,
    pause: Duration,
) -> Result<()> {
    let counts = serde_json::to_string(tally);
    let counts = counts.map_err(|error| sqlx::Error::Encode(error.into()))?;
    let mut tx = db.begin().await?;
    let args = args![part.as_str(), now.plus(pause), now, counts, &mark];
    tx.execute(REMEMBER, args).await?;
    tx.commit().await
}

async fn forget(db: &Db, part: Part) -> Result<()> {
    let mut tx = db.begin().await?;
    tx.execute(FORGET, args![part.as_str()]).await?;
    tx.commit().await
}

/// Counts a table in slices. A job that ends meanwhile may be counted in both tables or in none.
async fn count(db: &Db, part: Part, rows: i64, now: Timestamp) -> Result<Tally> {
    let mut tally = Tally::new();
    let mut after = String::new();
    loop {
        let slice: Vec<Slice> = db.all(part.slice(), args![&after, rows, now]).await?;
        add(&mut tally, &slice);
        let counted: i64 = slice.iter().map(|slice| slice.count).sum();
        match slice.into_iter().map(|slice| slice.last).max() {
            Some(last) if counted >= rows => after = last,
            _ => return Ok(tally),
        }
    }
}

fn add(tally: &mut Tally, slice: &[Slice]) {
    for row in slice {
        let mut words = row.lane.splitn(3, ' ');
        let mut next = || words.next().unwrap_or_default().to_owned();
        let (queue, state, organization) = (next(), next(), next());
        let queues = tally.entry(organization).or_default();
        let states = queues.entry(queue).or_default();
        *states.entry(state).or_default() += row.count;
    }
}
