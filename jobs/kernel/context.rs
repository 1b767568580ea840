//! What a running job has at hand.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::{
    clock::{Clock, Timestamp},
    db::{self, Db, Tx},
    ids::Chance,
    job::Report,
    ports::{Receivers, Settings, Stripe},
    queue::{Ack, Claimed, Outcome, ack},
};

/// Everything outside a job: database, time, chance, ports and settings. Built once, in `src/runtime/wiring.rs`.
#[derive(Clone, Debug)]
pub struct Env {
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids, jitter, tokens.
    pub chance: Arc<Chance>,
    /// Stripe.
    pub stripe: Arc<dyn Stripe>,
    /// Who hears of our events.
    pub receivers: Arc<dyn Receivers>,
    /// What the configuration says about the rules of the core.
    pub settings: Arc<Settings>,
}

impl Env {
    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A new id with this prefix.
    pub fn id(&self, prefix: &str) -> String {
        self.chance.id(prefix, self.now())
    }
}

/// One run of one job.
#[derive(Debug)]
pub struct Context {
    /// The world.
    pub env: Env,
    /// The job as it was claimed.
    pub job: Claimed,
    /// Cancelled when the job should stop: at shutdown, on request, or when its lease is lost.
    pub cancel: CancellationToken,
    completed: AtomicBool,
}

impl Context {
    /// A run of `job`, which stops when `cancel` is cancelled.
    pub const fn new(env: Env, job: Claimed, cancel: CancellationToken) -> Self {
        Self {
            env,
            job,
            cancel,
            completed: AtomicBool::new(false),
        }
    }

    /// Whether the run put its own end into a transaction, so that the row may be gone while it still runs.
    pub fn completed_itself(&self) -> bool {
        self.completed.load(Ordering::Acquire)
    }

    /// The organization the job works for.
    pub fn organization(&self) -> &str {
        &self.job.organization_id
    }

    /// Completes this job within `tx`, so that its effects, its end and its follow-up jobs commit together: a job
    /// whose effects are rows takes effect exactly once.
    ///
    /// # Errors
    /// [`db::Error::LeaseLost`] when another node owns the job by now. The transaction must then be dropped.
    pub async fn complete_in(&self, tx: &mut Tx, report: &Report) -> db::Result<()> {
        let end = Ack {
            id: self.job.id.clone(),
            fence: self.job.fence,
            owner: self.job.owner.clone(),
            outcome: Outcome::Completed {
                report: report.to_json(),
            },
        };
        match ack::settle(tx, self.env.now(), &[end]).await?.applied {
            1 => {
                if self.job.exclusive {
                    ack::hand_over(tx, &self.job.id).await?;
                }
                self.completed.store(true, Ordering::Release);
                Ok(())
            }
            _ => Err(db::Error::LeaseLost),
        }
    }

    /// Waits, unless the job is told to stop; then it answers `false`.
    pub async fn pause(&self, time: Duration) -> bool {
        self.cancel
            .run_until_cancelled(tokio::time::sleep(time))
            .await
            .is_some()
    }
}
