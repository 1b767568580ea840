//! Signs of life: renewing our leases, noticing cancellations and lost leases, rescuing what dead processes left.

use std::{collections::BTreeSet, future::Future, sync::Arc, time::Duration};

use memberd_jobs::kernel::{
    Env,
    db::{Db, Result},
    queue::{
        Ack, Outcome, ack,
        lease::{self, Held, Node},
    },
};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{
    Process, metrics,
    outage::{Outage, took_too_long},
    table::{Claim, Table},
};
use crate::runtime::health::Readiness;

/// A lease is renewed this many times before it ends.
const RENEWALS_PER_LEASE: u32 = 3;
/// Pause between two looks for cancellations while something runs, and between tries while the database is away.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// A job that has run for so long steps out of the line: one write more for it, and none for those that are shorter.
const SLOW: Duration = Duration::from_secs(1);
/// What this task is called in the log.
const WHO: &str = "leases";

/// The task of the leases. It shares no connection with jobs on PostgreSQL and only runs short statements, so that it
/// never waits behind work.
#[derive(Debug)]
pub(super) struct Leases {
    env: Env,
    db: Db,
    node: Node,
    lease: Duration,
    table: Arc<Table>,
    outage: Arc<Outage>,
    readiness: Arc<Readiness>,
    /// Claims that were held without being known here at the last renewal.
    unknown: BTreeSet<Claim>,
    stop: CancellationToken,
}

impl Leases {
    /// Shows signs of life until `stop`, which comes when nothing runs any more.
    pub(super) fn new(process: &Process, stop: CancellationToken) -> Self {
        let options = &process.options;
        Self {
            env: process.env.clone(),
            db: options.lease_db.clone(),
            node: options.node.clone(),
            lease: options.lease,
            table: Arc::clone(&process.table),
            outage: Arc::clone(&process.outage),
            readiness: Arc::clone(&options.readiness),
            unknown: BTreeSet::new(),
            stop,
        }
    }

    /// Runs until the stop.
    pub(super) async fn run(mut self) {
        let renewal = self.lease / RENEWALS_PER_LEASE;
        let mut tick = tokio::time::interval(LOOK_PAUSE.min(renewal));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut renewed: Option<Instant> = None;
        let stop = self.stop.clone();
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            let due = renewed.is_none_or(|at| at.elapsed() + LOOK_PAUSE / 2 >= renewal);
            let done = if due {
                bounded(renewal, self.renew()).await
            } else if self.table.running() > 0 {
                bounded(renewal, self.look()).await
            } else {
                Ok(())
            };
            match done {
                Ok(()) => {
                    self.outage.over(WHO);
                    self.readiness.beat(self.env.now());
                    if due {
                        renewed = Some(Instant::now());
                    }
                }
                Err(error) => self.outage.met(WHO, &error),
            }
        }
    }

    /// Renews first: our leases matter more than other processes' jobs.
    async fn renew(&mut self) -> Result<()> {
        let before = self.table.claims();
        let until = self.env.now().plus(self.lease);
        let id = self.env.id("lease");
        let held = lease::renew(&self.db, &self.node.id, &id, until).await?;
        let unknown = self.compare(&before, &held);
        self.give_back(unknown).await?;
        metrics::rescued(lease::rescue(&self.db, self.env.now()).await?);
        lease::beat(&self.db, &self.node, self.env.now()).await
    }

    async fn look(&mut self) -> Result<()> {
        let before = self.table.claims();
        let held = lease::held(&self.db, &self.node.id).await?;
        self.compare(&before, &held);
        let slow = self.env.now().minus(SLOW);
        let slow = held
            .iter()
            .filter(|job| job.in_line && job.started_at <= slow);
        let slow: Vec<&str> = slow.map(|job| job.id.as_str()).collect();
        if slow.is_empty() {
            return Ok(());
        }
        lease::step_out(&self.db, &self.node.id, &slow).await
    }

    fn compare(&self, before: &[Claim], held: &[Held]) -> Vec<Claim> {
        let (lost, unknown) = self.table.compare(before, held);
        if lost > 0 {
            tracing::warn!(
                lost,
                "leases were lost: this process slept or could not reach the database"
            );
        }
        unknown
    }

    /// Gives back what is ours in the database but unknown here at two renewals in a row: it was claimed by a round
    /// whose answer was lost. Once is not enough, for a lane may be about to start it.
    async fn give_back(&mut self, unknown: Vec<Claim>) -> Result<()> {
        let unknown: BTreeSet<Claim> = unknown.into_iter().collect();
        let orphans = unknown.intersection(&self.unknown).map(|(id, fence)| Ack {
            id: id.clone(),
            fence: *fence,
            owner: self.node.id.clone(),
            outcome: Outcome::GivenBack,
        });
        let orphans: Vec<Ack> = orphans.collect();
        self.unknown = unknown;
        if orphans.is_empty() {
            return Ok(());
        }
        tracing::info!(
            jobs = orphans.len(),
            "giving back jobs that a lost answer claimed"
        );
        let mut tx = self.db.begin().await?;
        ack::settle(&mut tx, self.env.now(), &orphans).await?;
        tx.commit().await
    }
}

async fn bounded(patience: Duration, work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::time::timeout(patience, work)
        .await
        .unwrap_or_else(|_| Err(took_too_long(patience)))
}
