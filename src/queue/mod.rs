//! How jobs run: apalis' worker runtime over our own durable backend.
//!
//! Each lane (one per [`Queue`]) has a loop of its own: it waits for the end of a run, for a bell or for a tick, then
//! writes in one transaction how runs ended and claims as many jobs as there are free slots. What it claims goes to
//! apalis at once, which calls `run::run` for it. Nothing is buffered, so nothing claimed can starve or be forgotten.
//!
//! `table` is the one list of what this process owns; `leases` compares it with the database. This folder is the only
//! one that knows apalis.

mod backend;
mod count;
mod cron;
mod flight;
mod lane;
mod leases;
mod metrics;
mod outage;
mod run;
mod slot;
mod table;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use memberd_jobs::kernel::{
    Env, Registry,
    db::Db,
    queue::{
        Queue,
        lease::{self, Node},
        schedules::Wanted,
    },
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    backend::{JobsBackend, Workers},
    count::Counter,
    cron::Cron,
    lane::Lane,
    leases::Leases,
    outage::Outage,
    run::Runner,
    table::{Reason, Table},
};
use crate::runtime::health::Readiness;

/// How long runs may take to stop at a shutdown, once they are told to.
const DRAIN_GRACE: Duration = Duration::from_secs(2);
/// How long the last acknowledgements may take after that. What is not written by then runs again elsewhere.
const FLUSH_PATIENCE: Duration = Duration::from_secs(5);

/// What one process does with the queue.
#[derive(Clone, Debug)]
pub struct Options {
    /// This process on the list of nodes. Its id owns the leases, so it must be new for each process.
    pub node: Node,
    /// The database for the leases: a connection of its own on PostgreSQL, so that renewing never waits behind jobs.
    pub lease_db: Db,
    /// The database for the rounds: connections of their own on PostgreSQL, planned for them, so that a round never
    /// waits behind the jobs that it should start.
    pub lane_db: Db,
    /// How long a claim lasts without a sign of life. Renewed every third of it.
    pub lease: Duration,
    /// Slots of each queue; `None` runs no jobs.
    pub slots: Option<BTreeMap<Queue, usize>>,
    /// The schedules to fire; `None` fires none.
    pub schedules: Option<Vec<Wanted>>,
    /// How long running jobs may take to finish after the stop.
    pub drain: Duration,
    /// Where signs of life are shown.
    pub readiness: Arc<Readiness>,
}

/// Runs jobs and fires schedules until `stop`, then drains: nothing more is claimed, what runs may finish, what does
/// not finish in time is given back.
pub async fn run(env: Env, registry: Arc<Registry>, options: Options, stop: CancellationToken) {
    let process = Process {
        env,
        registry,
        table: Arc::new(Table::default()),
        outage: Arc::new(Outage::default()),
        options,
    };
    let services = TaskTracker::new();
    let drained = CancellationToken::new();
    services.spawn(Leases::new(&process, drained.clone()).run());
    services.spawn(Counter::new(&process, stop.clone()).run());
    if let Some(wanted) = process.options.schedules.clone() {
        services.spawn(Cron::new(&process, wanted, stop.clone()).run());
    }
    match process.options.slots.clone() {
        Some(slots) => process.work(&slots, &stop).await,
        None => stop.cancelled().await,
    }
    drained.cancel();
    services.close();
    services.wait().await;
    process.leave().await;
}

/// What the tasks of one process share.
#[derive(Debug)]
struct Process {
    env: Env,
    registry: Arc<Registry>,
    table: Arc<Table>,
    outage: Arc<Outage>,
    options: Options,
}

impl Process {
    /// Runs jobs until `stop` and until the lanes have written how the last of them ended.
    async fn work(&self, slots: &BTreeMap<Queue, usize>, stop: &CancellationToken) {
        let lanes = TaskTracker::new();
        let give_up = CancellationToken::new();
        let mut workers = Workers::new(Runner::new(Arc::clone(&self.registry)));
        for (queue, slots) in slots {
            let (jobs, backend) = JobsBackend::new(*queue);
            workers.add(backend);
            let lane = Lane::new(self, *queue, *slots, jobs, stop.clone(), give_up.clone());
            lanes.spawn(lane.run());
        }
        lanes.close();
        let services = TaskTracker::new();
        let (db, listen_until) = (self.env.db.clone(), stop.clone());
        services.spawn(async move { db.listen(listen_until).await });
        let workers = workers.start(&services);
        services.close();
        stop.cancelled().await;
        self.drain(&lanes, &give_up).await;
        workers.stop();
        services.wait().await;
    }

    async fn drain(&self, lanes: &TaskTracker, give_up: &CancellationToken) {
        let time = self.options.drain;
        tracing::info!(running = self.table.running(), ?time, "draining the queues");
        if tokio::time::timeout(time, lanes.wait()).await.is_ok() {
            return;
        }
        let running = self.table.running();
        tracing::warn!(
            running,
            "jobs outlast the shutdown: they are stopped and run again"
        );
        self.table.stop_all(Reason::Shutdown);
        let patience = DRAIN_GRACE + run::ABANDON_PATIENCE + FLUSH_PATIENCE;
        if tokio::time::timeout(patience, lanes.wait()).await.is_err() {
            give_up.cancel();
            lanes.wait().await;
        }
    }

    async fn leave(&self) {
        let (db, node) = (&self.options.lease_db, &self.options.node.id);
        let stopped = lease::stopped(db, node, self.env.now());
        if !matches!(
            tokio::time::timeout(FLUSH_PATIENCE, stopped).await,
            Ok(Ok(()))
        ) {
            tracing::warn!(node, "could not be marked as stopped on the list of nodes");
        }
    }
}
