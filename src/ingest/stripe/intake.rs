//! Many webhooks, one transaction: those that come while others are being stored are stored together next.
//!
//! A transaction costs a flush to disk and, with its job, a lock that the next one must wait for. Alone, each webhook
//! would pay both; so a crowd pays them once. Nobody is answered before the commit. One transaction is under way at a
//! time: a second would wait for the first one's lock, with half of the events that it could have taken later.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use memberd_jobs::{
    kernel::{Env, db},
    sync::{self, Arrived, Received},
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;
use tracing::error;

/// Events of one transaction.
const EVENTS_MAX: usize = 128;

/// Bytes of the events of one transaction; it takes the event that exceeds them.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// Events that wait for a transaction. Whoever finds no place waits for one, like everybody within her time.
const WAITING_MAX: usize = 1_024;

/// An event and who waits for it.
struct Parcel {
    arrived: Arrived,
    told: oneshot::Sender<db::Result<Received>>,
}

/// Where webhooks hand in their events.
#[derive(Clone, Debug)]
pub(super) struct Intake(mpsc::Sender<Parcel>);

impl Intake {
    /// Stores through `env` until the last handle is gone.
    pub(super) fn new(env: &Env) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        TaskTracker::new().spawn(keep(env.clone(), receiver));
        Self(sender)
    }

    /// Stores an event, with others that come at the same time.
    ///
    /// # Errors
    /// The database's: then it was not stored, or nobody knows.
    pub(super) async fn store(&self, arrived: Arrived) -> db::Result<Received> {
        let gone = || db::Error::Unavailable("nobody stores events any more".to_owned());
        let (told, answer) = oneshot::channel();
        self.0
            .send(Parcel { arrived, told })
            .await
            .map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// Goes on after a panic: an event that nobody thought of must not end the storing of all others. Who waited for it is told
/// that nothing was stored, and Stripe sends the event again.
async fn keep(env: Env, mut receiver: mpsc::Receiver<Parcel>) {
    loop {
        let storing = AssertUnwindSafe(store_groups(&env, &mut receiver));
        if storing.catch_unwind().await.is_ok() {
            return;
        }
        error!(
            "storing webhooks panicked: whoever waited hears that nothing was stored, the others go on"
        );
    }
}

async fn store_groups(env: &Env, receiver: &mut mpsc::Receiver<Parcel>) {
    while let Some(first) = receiver.recv().await {
        let mut bytes = first.arrived.bytes();
        let mut group = vec![first];
        while group.len() < EVENTS_MAX && bytes < BYTES_MAX {
            let Ok(next) = receiver.try_recv() else { break };
            bytes += next.arrived.bytes();
            group.push(next);
        }
        // Who has given up is not stored; Stripe sends it again.
        let waiting = group.into_iter().filter(|parcel| !parcel.told.is_closed());
        store(env, waiting).await;
    }
}

async fn store(env: &Env, group: impl Iterator<Item = Parcel>) {
    let (arrived, told): (Vec<_>, Vec<_>) =
        group.map(|parcel| (parcel.arrived, parcel.told)).unzip();
    let answers = sync::store_events(env, &arrived).await;
    for (told, answer) in told.into_iter().zip(answers) {
        // Who has given up meanwhile hears of it when Stripe sends it again.
        let _ = told.send(answer);
    }
}
