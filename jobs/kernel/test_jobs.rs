//! Job kinds for the kernel's own tests, one for each sort of uniqueness, and the rows they leave.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{
    Context, Env, Job, JobDef, JobResult, Registry, Report, Retry, Timestamp, Unique,
    db::Sql,
    outbox::NewJob,
    queue::{
        Ack, Claimed, Outcome, Queue, ack,
        ack::Settled,
        claim,
        lease::{self, Held},
    },
};
use crate::args;

/// How long claims last in these tests.
pub(super) const LEASE: Duration = Duration::from_secs(30);
/// How long a dropped transaction may hold on to its rows.
const FREED_PATIENCE: Duration = Duration::from_secs(20);

macro_rules! kinds {
    ($($name:ident: $kind:literal, $unique:expr, $exclusive:literal;)+) => {
        $(
            #[derive(Debug, Serialize, Deserialize)]
            pub(super) struct $name {
                pub(super) key: String,
            }

            impl Job for $name {
                const KIND: &'static str = $kind;
                const ABOUT: &'static str = "For tests.";
                const RETRY: Retry = Retry { attempts: 2, ..Retry::DEFAULT };
                const UNIQUE: Unique = $unique;
                const EXCLUSIVE: bool = $exclusive;

                fn unique_key(&self) -> Option<String> {
                    (Self::UNIQUE != Unique::No).then(|| self.key.clone())
                }

                async fn run(&self, _: &Context) -> JobResult {
                    Ok(Report::none())
                }
            }

            impl $name {
                pub(super) fn with(key: &str) -> NewJob {
                    NewJob::of("default", &Self { key: key.to_owned() }).unwrap()
                }
            }
        )+
    };
}

kinds! {
    Plain: "test.plain", Unique::No, false;
    Waiting: "test.waiting", Unique::Waiting, false;
    Live: "test.live", Unique::Live, false;
    Hourly: "test.hourly", Unique::Within(Duration::from_hours(1)), false;
    Exclusive: "test.exclusive", Unique::Waiting, true;
}

/// All of them.
pub(super) fn registry() -> Registry {
    Registry::default()
        .with(JobDef::of::<Plain>())
        .with(JobDef::of::<Waiting>())
        .with(JobDef::of::<Live>())
        .with(JobDef::of::<Hourly>())
        .with(JobDef::of::<Exclusive>())
}

/// A waiting or running job.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct JobRow {
    pub(super) id: String,
    pub(super) due_at: Timestamp,
    pub(super) attempt: i64,
    pub(super) fence: i64,
    pub(super) owner: Option<String>,
}

/// A finished job.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct DoneRow {
    pub(super) id: String,
    pub(super) state: String,
    pub(super) attempt: i64,
    pub(super) error: Option<String>,
    pub(super) report: Option<String>,
}

const JOBS: Sql = Sql::both("SELECT id, due_at, attempt, fence, owner FROM jobs ORDER BY id");
const DONE: Sql = Sql::both("SELECT id, state, attempt, error, report FROM jobs_done ORDER BY id");
const CANCEL: Sql = Sql::both("UPDATE jobs SET cancel_requested_at = $2 WHERE id = $1");

pub(super) async fn jobs(env: &Env) -> Vec<JobRow> {
    env.db.all(JOBS, &[]).await.unwrap()
}

pub(super) async fn done(env: &Env) -> Vec<DoneRow> {
    env.db.all(DONE, &[]).await.unwrap()
}

pub(super) fn wanted<'a>(env: &Env, owner: &'a str, free: i64) -> claim::Claim<'a> {
    claim::Claim {
        queue: Queue::Default,
        owner,
        lease_id: env.id("lease"),
        spent: &[],
        lease: LEASE,
        free,
        busy: 0,
        now: env.now(),
        after: None,
    }
}

/// Renews what `owner` holds.
pub(super) async fn renew(env: &Env, owner: &str) -> Vec<Held> {
    let until = env.now().plus(LEASE);
    lease::renew(&env.db, owner, &env.id("lease"), until)
        .await
        .unwrap()
}

pub(super) async fn claim_some(env: &Env, owner: &str, free: i64) -> Vec<Claimed> {
    let mut tx = env.db.begin().await.unwrap();
    let round = claim::claim(&mut tx, &wanted(env, owner, free))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    round.jobs
}

pub(super) async fn claim_one(env: &Env, owner: &str) -> Claimed {
    let mut jobs = claim_some(env, owner, 1).await;
    jobs.pop().expect("a job is due")
}

/// Like [`claim_some`], for jobs of a transaction that was just dropped: PostgreSQL frees them a moment later.
pub(super) async fn claim_freed(env: &Env, owner: &str, count: usize) -> Vec<Claimed> {
    let deadline = Instant::now() + FREED_PATIENCE;
    let mut jobs = Vec::new();
    while jobs.len() < count {
        assert!(
            Instant::now() < deadline,
            "only {} jobs were freed",
            jobs.len()
        );
        let free = i64::try_from(count - jobs.len()).unwrap();
        jobs.extend(claim_some(env, owner, free).await);
        tokio::task::yield_now().await;
    }
    jobs
}

pub(super) fn end(job: &Claimed, outcome: Outcome) -> Ack {
    Ack {
        id: job.id.clone(),
        fence: job.fence,
        owner: job.owner.clone(),
        outcome,
    }
}

pub(super) fn completed(job: &Claimed) -> Ack {
    end(job, Outcome::Completed { report: None })
}

pub(super) async fn settle(env: &Env, acks: &[Ack]) -> Settled {
    let mut tx = env.db.begin().await.unwrap();
    let settled = ack::settle(&mut tx, env.now(), acks).await.unwrap();
    tx.commit().await.unwrap();
    settled
}

/// What the API does to a running job that somebody cancels.
pub(super) async fn ask_to_cancel(env: &Env, id: &str) {
    let mut tx = env.db.begin().await.unwrap();
    tx.execute(CANCEL, args![id, env.now()]).await.unwrap();
    tx.commit().await.unwrap();
}
