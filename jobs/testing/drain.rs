//! Running what is due, in this process and one after another, with the queue's real claims and acknowledgements.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll};

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::TestDb;
use crate::kernel::{
    Context, Env, JobError, JobResult, Registry,
    db::Error,
    queue::{Ack, Claimed, Outcome, Queue, ack, claim},
};

/// A test that needs more runs than this has jobs that enqueue each other for ever.
const RUNS_MAX: u64 = 20_000;
/// Jobs claimed at once.
const BATCH: i64 = 50;
/// The owner of the claims.
const OWNER: &str = "node_drain";
/// How long the claims last, in test time.
const LEASE: std::time::Duration = std::time::Duration::from_secs(30);
/// The middle of the jitter.
const NO_JITTER: f64 = 0.5;

/// How the runs ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Runs that completed their job.
    pub completed: u64,
    /// Those of them that put their end into a transaction of their own.
    pub by_themselves: u64,
    /// Runs that will be tried again later.
    pub retried: u64,
    /// Runs that ended their job for good without success.
    pub discarded: u64,
    /// Runs that put their job off.
    pub snoozed: u64,
    /// Kind and error of every retried or discarded run.
    pub errors: Vec<String>,
}

impl TestDb {
    /// Runs all due jobs of all queues, and those they enqueue, until nothing is due. The clock stands still.
    ///
    /// # Panics
    /// With the error of the first job that failed.
    pub async fn drain(&self, registry: &Registry) -> Drained {
        let drained = self.drain_allowing_failures(registry).await;
        assert!(
            drained.errors.is_empty(),
            "jobs failed: {:#?}",
            drained.errors
        );
        drained
    }

    /// Like [`TestDb::drain`], but counts failures instead of panicking.
    pub async fn drain_allowing_failures(&self, registry: &Registry) -> Drained {
        let mut drained = Drained::default();
        let mut runs = 0;
        loop {
            let before = runs;
            for queue in Queue::ALL {
                for job in claim_some(&self.env, queue).await {
                    runs += 1;
                    assert!(
                        runs < RUNS_MAX,
                        "more than {RUNS_MAX} runs, the last of {}",
                        job.kind
                    );
                    run(
                        &self.env,
                        registry,
                        job,
                        CancellationToken::new(),
                        &mut drained,
                    )
                    .await;
                }
            }
            if runs == before {
                return drained;
            }
        }
    }

    /// Runs each due job once, dropped after being polled so often, as when its process dies. It is due again at once, as
    /// after its rescue.
    pub async fn drain_killing(&self, registry: &Registry, polls: u32) {
        for queue in Queue::ALL {
            for job in claim_some(&self.env, queue).await {
                let (def, args) = (registry.job(&job.kind), serde_json::from_str(&job.args));
                let def = def.unwrap_or_else(|| panic!("{} is in no registry", job.kind));
                let args = args.unwrap_or_else(|error| panic!("{}: {error}", job.args));
                let stop = CancellationToken::new();
                let cx = Context::new(self.env.clone(), job.clone(), stop);
                let ended = polled((def.run)(args, Arc::new(cx)), polls).await;
                let mut drained = Drained::default();
                let outcome = match ended {
                    Some(result) => outcome(&self.env, registry, &job, result, &mut drained),
                    None => Outcome::Snooze {
                        due_at: self.env.now(),
                    },
                };
                let (id, fence, owner) = (job.id, job.fence, job.owner);
                let ack = Ack {
                    id,
                    fence,
                    owner,
                    outcome,
                };
                let settled = async {
                    let mut tx = self.env.db.begin().await?;
                    // It may have ended itself before.
                    ack::settle(&mut tx, self.env.now(), &[ack]).await?;
                    tx.commit().await
                };
                let settled: Result<(), Error> = settled.await;
                settled.unwrap_or_else(|error| panic!("acknowledging: {error}"));
            }
        }
    }

    /// Runs each due job once, told to stop from the beginning, as at a shutdown.
    pub async fn drain_stopping(&self, registry: &Registry) -> Drained {
        let mut drained = Drained::default();
        let stop = CancellationToken::new();
        stop.cancel();
        for queue in Queue::ALL {
            for job in claim_some(&self.env, queue).await {
                run(&self.env, registry, job, stop.clone(), &mut drained).await;
            }
        }
        drained
    }
}

/// Drops `work` when it has been polled this often without being done.
async fn polled<T>(work: impl Future<Output = T>, polls: u32) -> Option<T> {
    let mut work = pin!(work);
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(cx).map(Some)
    })
    .await
}

async fn claim_some(env: &Env, queue: Queue) -> Vec<Claimed> {
    let wanted = claim::Claim {
        queue,
        owner: OWNER,
        lease_id: env.id("lease"),
        spent: &[],
        lease: LEASE,
        free: BATCH,
        busy: 0,
        now: env.now(),
        after: None,
    };
    let round = async {
        let mut tx = env.db.begin().await?;
        let round = claim::claim(&mut tx, &wanted).await?;
        tx.commit().await?;
        Ok::<_, Error>(round.jobs)
    };
    round
        .await
        .unwrap_or_else(|error| panic!("claiming: {error}"))
}

async fn run(
    env: &Env,
    registry: &Registry,
    job: Claimed,
    stop: CancellationToken,
    drained: &mut Drained,
) {
    let result = match (
        registry.job(&job.kind),
        serde_json::from_str::<Value>(&job.args),
    ) {
        (Some(def), Ok(args)) => {
            let cx = Context::new(env.clone(), job.clone(), stop);
            (def.run)(args, Arc::new(cx)).await
        }
        (None, _) => Err(JobError::Fail(anyhow::anyhow!(
            "no such kind in the registry"
        ))),
        (_, Err(error)) => Err(JobError::Fail(error.into())),
    };
    let completed = result.is_ok();
    let ack = Ack {
        id: job.id.clone(),
        fence: job.fence,
        owner: job.owner.clone(),
        outcome: outcome(env, registry, &job, result, drained),
    };
    let settled = async {
        let mut tx = env.db.begin().await?;
        let settled = ack::settle(&mut tx, env.now(), &[ack]).await?;
        tx.commit().await?;
        Ok::<_, Error>(settled)
    };
    let settled = settled
        .await
        .unwrap_or_else(|error| panic!("acknowledging: {error}"));
    drained.by_themselves += u64::from(completed && settled.applied == 0);
    // A job that completed itself in its own transaction has nothing left to acknowledge.
    assert!(
        completed || settled.applied == 1,
        "{} was acknowledged by another",
        job.id
    );
}

fn outcome(
    env: &Env,
    registry: &Registry,
    job: &Claimed,
    result: JobResult,
    drained: &mut Drained,
) -> Outcome {
    let now = env.now();
    let pause = registry
        .job(&job.kind)
        .map_or_else(Default::default, |def| {
            def.retry.pause(job.attempt, NO_JITTER)
        });
    let (error, due_at) = match result {
        Ok(report) => {
            drained.completed += 1;
            return Outcome::Completed {
                report: report.to_json(),
            };
        }
        Err(JobError::Snooze(time)) => {
            drained.snoozed += 1;
            return Outcome::Snooze {
                due_at: now.plus(time),
            };
        }
        Err(JobError::Retry(error)) => (error, Some(now.plus(pause))),
        Err(JobError::RetryAfter(time, error)) => (error, Some(now.plus(pause.max(time)))),
        Err(JobError::Fail(error)) => (error, None),
    };
    let error = format!("{error:#}");
    drained.errors.push(format!("{}: {error}", job.kind));
    if let Some(due_at) = due_at.filter(|_| job.attempt < job.max_attempts) {
        drained.retried += 1;
        return Outcome::Retry { due_at, error };
    }
    drained.discarded += 1;
    Outcome::Discarded { error }
}
