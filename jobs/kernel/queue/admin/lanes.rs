//! Queues and nodes: how full they are, pausing them, and their slots.

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
struct Load {
    queue: String,
    waiting: i64,
    running: i64,
    oldest: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Control {
    name: String,
    paused_at: Option<Timestamp>,
    concurrency: Option<i64>,
    max_running: Option<i64>,
    rate_per_second: Option<i64>,
}

const LOAD: Sql = Sql::both(
    "SELECT queue, count(*) FILTER (WHERE owner IS NULL) AS waiting,
        count(*) FILTER (WHERE owner IS NOT NULL) AS running,
        min(due_at) FILTER (WHERE owner IS NULL AND due_at <= $1) AS oldest
     FROM jobs GROUP BY queue",
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
const NODES: Sql = Sql::both(
    "SELECT id, name, roles, version, started_at, beat_at, stopped_at,
        (SELECT count(*) FROM jobs WHERE owner IS NOT NULL AND owner = nodes.id) AS running
     FROM nodes ORDER BY started_at DESC, id DESC",
);

/// All queues, in the order of [`Queue::ALL`].
pub async fn lanes(db: &Db, now: Timestamp) -> Result<Vec<Lane>> {
    let load: Vec<Load> = db.all(LOAD, args![now]).await?;
    let controls: Vec<Control> = db.all(CONTROL, &[]).await?;
    Ok(Queue::ALL
        .into_iter()
        .map(|queue| {
            let load = load.iter().find(|load| load.queue == queue.as_str());
            let control = controls.iter().find(|row| row.name == queue.as_str());
            Lane {
                queue,
                waiting: load.map_or(0, |load| load.waiting),
                running: load.map_or(0, |load| load.running),
                oldest_available_at: load.and_then(|load| load.oldest),
                paused_at: control.and_then(|row| row.paused_at),
                concurrency: control.and_then(|row| row.concurrency),
                max_running: control.and_then(|row| row.max_running),
                rate_per_second: control.and_then(|row| row.rate_per_second),
            }
        })
        .collect())
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

/// The nodes seen in the last day, newest first.
pub async fn nodes(db: &Db) -> Result<Vec<NodeRow>> {
    db.all(NODES, &[]).await
}
