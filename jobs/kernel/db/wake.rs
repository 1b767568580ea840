//! Telling workers that a queue has work: in this process by a bell, across PostgreSQL by LISTEN and NOTIFY.

use std::{collections::BTreeSet, time::Duration};

use sqlx::{PgPool, postgres::PgListener};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Db, Engine};
use crate::kernel::queue::Queue;

/// Pause before a broken LISTEN connection is opened again. Polling bridges the gap.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

/// One bell for each queue.
#[derive(Debug, Default)]
pub struct Wakes([Notify; Queue::ALL.len()]);

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// The queue got work.
    Rung,
    /// The time was up.
    Elapsed,
}

impl Wakes {
    /// Rings the bells of `queues`.
    pub fn ring(&self, queues: &BTreeSet<Queue>) {
        for queue in queues {
            self.0[queue.index()].notify_one();
        }
    }

    /// Waits until `queue` gets work, at most for `patience`. A bell rung while nobody waited is not lost.
    pub async fn wait(&self, queue: Queue, patience: Duration) -> Woken {
        match tokio::time::timeout(patience, self.0[queue.index()].notified()).await {
            Ok(()) => Woken::Rung,
            Err(_) => Woken::Elapsed,
        }
    }

    fn ring_names(&self, names: &str) {
        self.ring(&names.split(',').filter_map(Queue::parse).collect());
    }
}

impl Db {
    /// Listens for work announced by other processes until `stop`; returns at once on SQLite, where the polling of
    /// the workers is what notices another process.
    pub async fn listen(&self, stop: CancellationToken) {
        if let Engine::Postgres(pool) = &self.engine {
            stop.run_until_cancelled(listen_forever(pool, &self.wakes))
                .await;
        }
    }
}

async fn listen_forever(pool: &PgPool, wakes: &Wakes) {
    loop {
        if let Err(error) = listen_once(pool, wakes).await {
            tracing::warn!(%error, "the connection that listens for work broke; polling until it is back");
        }
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
}

async fn listen_once(pool: &PgPool, wakes: &Wakes) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen("memberd_jobs").await?;
    // What was announced before LISTEN took effect was missed.
    wakes.ring(&Queue::ALL.into_iter().collect());
    loop {
        let notification = listener.recv().await?;
        wakes.ring_names(notification.payload());
    }
}
