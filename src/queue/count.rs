//! Counts the jobs when they are too many to be counted for each answer.

use std::{sync::Arc, time::Duration};

use memberd_jobs::kernel::{Env, queue::admin};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{Process, outage::Outage};

/// Pause between two looks whether it is time to count.
const LOOK_PAUSE: Duration = Duration::from_secs(5);
/// What this task is called in the log.
const WHO: &str = "counter";

/// The task. Each process has it, and one of them counts: `admin::refresh` sees to that.
#[derive(Debug)]
pub(super) struct Counter {
    env: Env,
    outage: Arc<Outage>,
    stop: CancellationToken,
}

impl Counter {
    /// Counts until `stop`.
    pub(super) fn new(process: &Process, stop: CancellationToken) -> Self {
        Self {
            env: process.env.clone(),
            outage: Arc::clone(&process.outage),
            stop,
        }
    }

    /// Runs until the stop. A long count has no limit but that of its statements; it is dropped at the stop.
    pub(super) async fn run(self) {
        let mut tick = tokio::time::interval(LOOK_PAUSE);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.stop.run_until_cancelled(tick.tick()).await.is_some() {
            let count = admin::refresh(&self.env.db, self.env.now());
            match self.stop.run_until_cancelled(count).await {
                Some(Ok(_)) => self.outage.over(WHO),
                Some(Err(error)) => self.outage.met(WHO, &error),
                None => return,
            }
        }
    }
}
