//! The queue's promises, each on both databases, with runtimes as they are in production.

mod clockwork;
mod database;
mod lanes;
mod runs;
mod sharing;
mod stops;

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use memberd_jobs::{
    kernel::{
        Context, Env, Job, JobDef, JobError, JobResult, Registry, Report, Retry, Unique,
        outbox::{self, NewJob},
        queue::{
            Queue,
            admin::{self, JobRow},
            lease::Node,
        },
    },
    testing::TestDb,
};
use serde::{Deserialize, Serialize};
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::Options;
use crate::runtime::health::Readiness;

/// How long a condition may take to come true on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two looks at a condition.
const LOOK_PAUSE: Duration = Duration::from_millis(10);
/// Slots of each queue.
const SLOTS: usize = 8;

/// A job that does what it is told.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Puppet {
    does: Does,
    key: Option<String>,
}

/// What a [`Puppet`] does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Does {
    #[default]
    Complete,
    CompleteItself,
    Fail,
    Retry,
    RetryAfter,
    Snooze,
    Panic,
    /// Waits until it is told to stop, and then stops.
    Wait,
    /// Waits for ever, whatever it is told.
    Ignore,
}

/// Longest run of a puppet.
const TIMEOUT: Duration = Duration::from_mins(5);

async fn act(does: Does, cx: &Context) -> JobResult {
    let error = || anyhow::anyhow!("inner").context("outer");
    match does {
        Does::Complete => Ok(Report::none().with("attempt", cx.job.attempt)),
        Does::CompleteItself => {
            let mut tx = cx.env.db.begin().await?;
            cx.complete_in(&mut tx, &Report::none().with("itself", true))
                .await?;
            tx.commit().await?;
            Ok(Report::none())
        }
        Does::Fail => Err(JobError::Fail(error())),
        Does::Retry => Err(JobError::Retry(error())),
        Does::RetryAfter => Err(JobError::RetryAfter(Duration::from_mins(10), error())),
        Does::Snooze => Err(JobError::Snooze(Duration::from_hours(1))),
        Does::Panic => panic!("the puppet's strings broke"),
        Does::Wait => {
            cx.cancel.cancelled().await;
            Err(JobError::Retry(anyhow::anyhow!("was told to stop")))
        }
        Does::Ignore => std::future::pending().await,
    }
}

impl Job for Puppet {
    const KIND: &'static str = "test.puppet";
    const ABOUT: &'static str = "Does what it is told.";
    const RETRY: Retry = Retry {
        attempts: 3,
        base: Duration::from_mins(1),
        factor: 2,
        cap: Duration::from_mins(3),
        jitter_percent: 0,
    };
    const TIMEOUT: Duration = TIMEOUT;
    const UNIQUE: Unique = Unique::Waiting;

    fn unique_key(&self) -> Option<String> {
        self.key.clone()
    }

    async fn run(&self, cx: &Context) -> JobResult {
        act(self.does, cx).await
    }
}

/// A [`Puppet`] whose time is up soon.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Hasty {}

impl Job for Hasty {
    const KIND: &'static str = "test.hasty";
    const ABOUT: &'static str = "Waits for ever, but is given little time.";
    const TIMEOUT: Duration = Duration::from_millis(50);

    async fn run(&self, _: &Context) -> JobResult {
        std::future::pending().await
    }
}

fn registry() -> Registry {
    Registry::default()
        .with(JobDef::of::<Puppet>())
        .with(JobDef::of::<Hasty>())
}

fn puppet(does: Does) -> NewJob {
    NewJob::of("default", &Puppet { does, key: None }).unwrap()
}

/// A running process.
struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    fn start(env: &Env, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = options(env);
        change(&mut options);
        let stop = CancellationToken::new();
        let work = super::run(env.clone(), Arc::new(registry()), options, stop.clone());
        let task = TaskTracker::new().spawn(work);
        Self { stop, task }
    }

    /// Stops it and waits until it has drained.
    async fn stop(self) {
        self.stop.cancel();
        within("the process stops", self.task).await.unwrap();
    }
}

fn options(env: &Env) -> Options {
    Options {
        node: Node {
            id: env.id("node"),
            name: "test".to_owned(),
            roles: "worker".to_owned(),
            version: "0".to_owned(),
            started_at: env.now(),
        },
        lease_db: env.db.clone(),
        lane_db: env.db.clone(),
        lease: Duration::from_secs(30),
        slots: Some(
            Queue::ALL
                .map(|queue| (queue, SLOTS))
                .into_iter()
                .collect::<BTreeMap<_, _>>(),
        ),
        schedules: None,
        drain: PATIENCE,
        readiness: Arc::new(Readiness::default()),
    }
}

async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}

/// Waits until `look` gives something.
async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

/// The job when it has come into `state`.
async fn job_in(env: &Env, id: &str, state: &str) -> JobRow {
    until(&format!("{id} is {state}"), || async {
        let row = admin::show(&env.db, "default", id, env.now())
            .await
            .unwrap()?;
        (row.state == state).then_some(row)
    })
    .await
}

/// The error of the job's last attempt that failed.
async fn last_error(env: &Env, id: &str) -> String {
    let attempts = admin::attempts(&env.db, id).await.unwrap();
    attempts
        .last()
        .map(|attempt| attempt.error.clone())
        .unwrap_or_default()
}

async fn act_on(db: &TestDb, id: &str, action: admin::Action) {
    let mut tx = db.env.db.begin().await.unwrap();
    let ids = [id.to_owned()];
    admin::act(&mut tx, "default", action, &ids, db.now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

/// Enqueues many puppets at once.
async fn enqueue(env: &Env, count: usize, does: Does) -> Vec<String> {
    let jobs = (0..count).map(|_| puppet(does)).collect();
    let mut tx = env.db.begin().await.unwrap();
    let enqueued = outbox::enqueue_many(&mut tx, env, jobs).await.unwrap();
    tx.commit().await.unwrap();
    enqueued.into_iter().map(|job| job.id).collect()
}
