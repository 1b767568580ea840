//! Queues and nodes: how full they are, pausing them, and their slots.

use super::{
    JobState,
    counts::{self, Part, Reach},
};
use crate::{
    args,
    kernel::{
        clock::Timestamp,
        db::{Db, Result, Sql, Tx},
        queue::Queue,
    },
};

/// A queue as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// The queue.
    pub queue: Queue,
    /// Jobs that wait, for their time or for a worker.
    pub waiting: i64,
    /// Jobs that run.
    pub running: i64,
    /// When the waiting ones were counted: now, unless they are many.
    pub counted_at: Timestamp,
    /// Since when the oldest job that could run has been due.
    pub oldest_available_at: Option<Timestamp>,
    /// When people paused it.
    pub paused_at: Option<Timestamp>,
    /// Slots of one node, where people set them.
    pub concurrency: Option<i64>,
    /// Jobs running at once in the whole cluster.
    pub max_running: Option<i64>,
    /// Jobs started per second in the whole cluster.
    pub rate_per_second: Option<i64>,
}

/// A process that runs jobs or serves requests.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct NodeRow {
    /// New for each process.
    pub id: String,
    /// Its name, for people.
    pub name: String,
    /// Its roles, separated by commas.
    pub roles: String,
    /// Version of memberd.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
    /// When it last showed that it lives.
    pub beat_at: Timestamp,
    /// When it stopped in order.
    pub stopped_at: Option<Timestamp>,
    /// Jobs it runs.
    pub running: i64,
}

#[derive(sqlx::FromRow)]
struct Control {
    name: String,
    paused_at: Option<Timestamp>,
    concurrency: Option<i64>,
    max_running: Option<i64>,
    rate_per_second: Option<i64>,
}

/// For each queue of `$1` the head of each of its priorities, of which there are few: the index is not read any further.
macro_rules! oldest {
    ($queues:literal) => {
        concat!(
            "WITH RECURSIVE heads (queue, priority) AS (
                SELECT q.value, (SELECT priority FROM jobs WHERE queue = q.value AND ",
            waits!(),
            " ORDER BY priority LIMIT 1)
                FROM ",
            $queues,
            " UNION ALL
                SELECT queue, (SELECT priority FROM jobs AS j
                               WHERE j.queue = h.queue AND j.priority > h.priority AND ",
            waits!(),
            " ORDER BY priority LIMIT 1)
                FROM heads AS h WHERE h.priority IS NOT NULL)
             SELECT queue, min((SELECT due_at FROM jobs AS j
                                WHERE j.queue = h.queue AND j.priority = h.priority AND ",
            waits!(),
            " ORDER BY due_at LIMIT 1)) AS due_at
             FROM heads AS h WHERE h.priority IS NOT NULL GROUP BY queue"
        )
    };
}
pub(super) const OLDEST: Sql = Sql::split(
    oldest!("json_each($1) AS q"),
    oldest!("jsonb_array_elements_text($1::jsonb) AS q (value)"),
);
const CONTROL: Sql =
    Sql::both("SELECT name, paused_at, concurrency, max_running, rate_per_second FROM queues");
const PAUSE: Sql = Sql::both(
    "INSERT INTO queues (name, paused_at) VALUES ($1, $2)
     ON CONFLICT (name) DO UPDATE SET paused_at = coalesce(queues.paused_at, excluded.paused_at)",
);
const RESUME: Sql = Sql::both("UPDATE queues SET paused_at = NULL WHERE name = $1");
const SET_CONCURRENCY: Sql = Sql::both(
    "INSERT INTO queues (name, concurrency) VALUES ($1, $2)
     ON CONFLICT (name) DO UPDATE SET concurrency = excluded.concurrency",
);
const SET_MAX_RUNNING: Sql = Sql::both(
    "INSERT INTO queues (name, max_running) VALUES ($1, $2)
     ON CONFLICT (name) DO UPDATE SET max_running = excluded.max_running",
);
/// A new limit begins with an empty bucket, so that it does not begin with a burst.
const SET_RATE: Sql = Sql::both(
    "INSERT INTO queues (name, rate_per_second, tokens_at) VALUES ($1, $2, $3)
     ON CONFLICT (name) DO UPDATE SET rate_per_second = excluded.rate_per_second, tokens_milli = 0,
        tokens_at = excluded.tokens_at",
);
const NODES: Sql = Sql::both(
    "SELECT id, name, roles, version, started_at, beat_at, stopped_at,
        (SELECT count(*) FROM jobs_running WHERE owner = nodes.id) AS running
     FROM nodes ORDER BY started_at DESC, id DESC",
);

/// All queues, in the order of [`Queue::ALL`].
pub async fn lanes(db: &Db, now: Timestamp) -> Result<Vec<Lane>> {
    let (tally, counted_at) = counts::tally(db, Part::Unfinished, Reach::USUAL, now).await?;
    let oldest: Vec<(String, Timestamp)> = db.all(OLDEST, args![names()?]).await?;
    let controls: Vec<Control> = db.all(CONTROL, &[]).await?;
    let lane = |queue: Queue| {
        let states = tally
            .values()
            .filter_map(|queues| queues.get(queue.as_str()));
        let (mut waiting, mut running) = (0, 0);
        for (state, count) in states.flatten() {
            *(if state == JobState::Running.as_str() {
                &mut running
            } else {
                &mut waiting
            }) += count;
        }
        let oldest = oldest.iter().find(|row| row.0 == queue.as_str());
        let control = controls.iter().find(|row| row.name == queue.as_str());
        Lane {
            queue,
            waiting,
            running,
            counted_at,
            oldest_available_at: oldest.map(|row| row.1).filter(|due_at| *due_at <= now),
            paused_at: control.and_then(|row| row.paused_at),
            concurrency: control.and_then(|row| row.concurrency),
            max_running: control.and_then(|row| row.max_running),
            rate_per_second: control.and_then(|row| row.rate_per_second),
        }
    };
    Ok(Queue::ALL.into_iter().map(lane).collect())
}

/// The names of all queues as a JSON array.
pub(super) fn names() -> Result<String> {
    let names = serde_json::to_string(&Queue::ALL.map(Queue::as_str));
    Ok(names.map_err(|error| sqlx::Error::Encode(error.into()))?)
}

/// Pauses or resumes a queue on every node. What runs goes on running.
pub async fn set_queue_paused(
    tx: &mut Tx,
    queue: Queue,
    paused: bool,
    now: Timestamp,
) -> Result<()> {
    if paused {
        tx.execute(PAUSE, args![queue.as_str(), now]).await?;
    } else {
        tx.execute(RESUME, args![queue.as_str()]).await?;
        tx.wake(queue);
    }
    Ok(())
}

/// Sets the slots of a queue on each node; `None` gives them back to the configuration.
pub async fn set_concurrency(tx: &mut Tx, queue: Queue, concurrency: Option<i64>) -> Result<()> {
    tx.execute(SET_CONCURRENCY, args![queue.as_str(), concurrency])
        .await?;
    tx.wake(queue);
    Ok(())
}

/// Sets how many jobs of a queue run at once in the whole cluster; `None` takes the limit away. What runs goes on running.
pub async fn set_max_running(tx: &mut Tx, queue: Queue, most: Option<i64>) -> Result<()> {
    tx.execute(SET_MAX_RUNNING, args![queue.as_str(), most])
        .await?;
    tx.wake(queue);
    Ok(())
}

/// Sets how many jobs of a queue are started per second in the whole cluster; `None` takes the limit away.
pub async fn set_rate(tx: &mut Tx, queue: Queue, rate: Option<i64>, now: Timestamp) -> Result<()> {
    tx.execute(SET_RATE, args![queue.as_str(), rate, now])
        .await?;
    tx.wake(queue);
    Ok(())
}

/// The nodes seen in the last day, newest first.
pub async fn nodes(db: &Db) -> Result<Vec<NodeRow>> {
    db.all(NODES, &[]).await
}
