//! The scheduler: fires what is due each second and measures how full the queues are.

use std::{sync::Arc, time::Duration};

use memberd_jobs::kernel::{
    Env, Registry, Timestamp,
    db::Result,
    queue::{
        admin::{Lane, lanes},
        schedules::{self, Wanted},
    },
};
use metrics::gauge;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{
    Process,
    outage::{Outage, took_too_long},
};

/// Pause between two looks at the schedules: how late a tick may fire.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// Pause between two counts of the queues.
const SAMPLE_PAUSE: Duration = Duration::from_secs(15);
/// Longest look. A connection that hangs for longer is given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// What this task is called in the log.
const WHO: &str = "scheduler";

/// The task of the schedules.
#[derive(Debug)]
pub(super) struct Cron {
    env: Env,
    registry: Arc<Registry>,
    /// `None` once they are declared.
    wanted: Option<Vec<Wanted>>,
    sampled: Option<Instant>,
    outage: Arc<Outage>,
    stop: CancellationToken,
}

impl Cron {
    /// Fires `wanted` until `stop`.
    pub(super) fn new(process: &Process, wanted: Vec<Wanted>, stop: CancellationToken) -> Self {
        Self {
            env: process.env.clone(),
            registry: Arc::clone(&process.registry),
            wanted: Some(wanted),
            sampled: None,
            outage: Arc::clone(&process.outage),
            stop,
        }
    }

    /// Runs until the stop.
    pub(super) async fn run(mut self) {
        let mut tick = tokio::time::interval(LOOK_PAUSE);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stop = self.stop.clone();
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            let looked = tokio::time::timeout(PATIENCE, self.look()).await;
            match looked.unwrap_or_else(|_| Err(took_too_long(PATIENCE))) {
                Ok(()) => self.outage.over(WHO),
                Err(error) => self.outage.met(WHO, &error),
            }
        }
    }

    async fn look(&mut self) -> Result<()> {
        if let Some(wanted) = &self.wanted {
            schedules::declare(&self.env.db, wanted, self.env.now()).await?;
            self.wanted = None;
        }
        let fired = schedules::fire_due(&self.env, &self.registry).await?;
        if fired > 0 {
            tracing::debug!(fired, "schedules fired");
        }
        if self.sampled.is_none_or(|at| at.elapsed() >= SAMPLE_PAUSE) {
            let now = self.env.now();
            show(&lanes(&self.env.db, now).await?, now);
            self.sampled = Some(Instant::now());
        }
        Ok(())
    }
}

fn show(lanes: &[Lane], now: Timestamp) {
    for lane in lanes {
        let queue = lane.queue.as_str();
        gauge!("memberd_queue_jobs", "queue" => queue, "state" => "waiting")
            .set(figure(lane.waiting));
        gauge!("memberd_queue_jobs", "queue" => queue, "state" => "running")
            .set(figure(lane.running));
        let age = lane
            .oldest_available_at
            .map_or(Duration::ZERO, |due_at| now.since(due_at));
        gauge!("memberd_queue_oldest_available_age_seconds", "queue" => queue)
            .set(age.as_secs_f64());
        let paused = i64::from(lane.paused_at.is_some());
        gauge!("memberd_queue_paused", "queue" => queue).set(figure(paused));
    }
}

/// A count as a gauge has it. Counts beyond four billion all look the same.
fn figure(count: i64) -> f64 {
    f64::from(u32::try_from(count.max(0)).unwrap_or(u32::MAX))
}
