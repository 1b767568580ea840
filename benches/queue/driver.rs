//! memberd's queue behind the verbs of `lab/queues/peer-queues.sh`, so that it stands beside others in one run.
//!
//! ```text
//! queue_driver setup                   make the schema
//! queue_driver enqueue N BATCH         enqueue N jobs, BATCH in one transaction, one transaction after another
//! queue_driver run MODE N              run the N jobs that wait; ends when the last end is committed
//! queue_driver part MODE N             run until N jobs have begun, however many wait
//! queue_driver history N               add N finished jobs
//! queue_driver backlog N               add N waiting jobs, fast
//! queue_driver latency MODE SAMPLES    enqueue one job at a time on the idle queue; from before that to its start
//! queue_driver worker MODE FILE MS     run until killed; each job takes MS, then appends its id to FILE
//! queue_driver enqueue-effects N       enqueue N jobs of 0 to 200 ms that write a row in the transaction that ends them
//! queue_driver effects MODE LEASE      run until killed, with leases of this length
//! queue_driver idle MODE SECONDS       run with nothing to do, and tell what it cost
//! queue_driver sql-busy | sql-left     the statements that count running and unfinished jobs
//! ```
//!
//! `DATABASE_URL` names the database (`postgres://…` or `sqlite:FILE`). MODE is `best` (1,000 slots), `default` (100
//! slots) or a number of slots. What runs is the daemon's own queue with all its lanes, leases, metrics and log; only
//! the API and the schedules are left out. A timed verb prints `PQ {"secs": …}`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that cannot be made ends"
)]

use std::{
    fs::OpenOptions,
    io::Write as _,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use memberd::{
    cli::Global,
    commands::runtime,
    config::{self, Config, Migrate},
    queue,
    runtime::{telemetry, wiring},
};
use memberd_jobs::{
    args,
    kernel::{
        Context, Env, Job, JobDef, JobResult, Report,
        db::Sql,
        events::{Event, emit},
        outbox::{self, NewJob},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const LEFT: Sql = Sql::both("SELECT count(*) FROM jobs");
const HISTORY: Sql = Sql::split(
    "WITH RECURSIVE n (i) AS (SELECT $1 UNION ALL SELECT i + 1 FROM n WHERE i < $3)
     INSERT INTO jobs_done (id, organization_id, queue, kind, args, priority, state, attempt, max_attempts, fence,
        unique_running, exclusive, created_at, started_at, finished_at)
     SELECT printf('job_%026d', i), 'default', 'default', 'bench.noop', '{}', 0, 'completed', 1, 10, 1,
        FALSE, FALSE, $2 - i, $2 - i, $2 - i FROM n",
    "INSERT INTO jobs_done (id, organization_id, queue, kind, args, priority, state, attempt, max_attempts, fence,
        unique_running, exclusive, created_at, started_at, finished_at)
     SELECT 'job_' || lpad(i::text, 26, '0'), 'default', 'default', 'bench.noop', '{}', 0, 'completed', 1, 10, 1,
        FALSE, FALSE, $2 - i, $2 - i, $2 - i FROM generate_series($1, $3) AS n (i)",
);
/// Rows of one statement, which is not to outlast the daemon's limit for statements.
const HISTORY_STEP: usize = 50_000;
const COUNT_BUSY: &str = "select count(*) from jobs where owner is not null";
const COUNT_LEFT: &str = "select count(*) from jobs";
/// Pause between two looks whether the last end is committed.
const LOOK: Duration = Duration::from_millis(2);
/// Pause between two samples of the latency: at least this, and a random share of the spread.
const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_SPREAD: Duration = Duration::from_millis(45);

/// Runs that have begun.
static STARTED: AtomicU64 = AtomicU64::new(0);
/// Is told of each start, when somebody wants to know.
static BELL: OnceLock<mpsc::UnboundedSender<Instant>> = OnceLock::new();
/// What each run does besides being counted.
static WORK: OnceLock<(Duration, std::fs::File)> = OnceLock::new();

/// A job that does nothing, or what [`WORK`] says.
#[derive(Serialize, Deserialize)]
struct Noop {
    id: u64,
}

impl Job for Noop {
    const KIND: &'static str = "bench.noop";
    const ABOUT: &'static str = "Does nothing.";

    async fn run(&self, cx: &Context) -> JobResult {
        STARTED.fetch_add(1, Ordering::Relaxed);
        if let Some(bell) = BELL.get() {
            let _ = bell.send(Instant::now());
        }
        if let Some((time, file)) = WORK.get() {
            tokio::time::sleep(*time).await;
            (&*file).write_all(format!("{}\n", cx.job.id).as_bytes())?;
        }
        Ok(Report::none())
    }
}

/// A job that takes a while and has an effect. Who looks counts the effects of each job.
#[derive(Serialize, Deserialize)]
struct Effect {
    id: u64,
}

impl Job for Effect {
    const KIND: &'static str = "bench.effect";
    const ABOUT: &'static str = "Writes an event.";

    async fn run(&self, cx: &Context) -> JobResult {
        // Spread evenly without a generator: the multiplier has no factor in common with the modulus.
        cx.pause(Duration::from_millis(self.id * 73 % 201)).await;
        let mut tx = cx.env.db.begin().await?;
        let effect = Event {
            kind: Self::KIND,
            organization_id: cx.organization().to_owned(),
            member_id: None,
            data: json!({ "job_id": cx.job.id }),
        };
        emit(&mut tx, &cx.env, &effect).await?;
        cx.complete_in(&mut tx, &Report::none()).await?;
        tx.commit().await?;
        Ok(Report::none())
    }
}

/// The daemon's configuration with these slots for the jobs measured here.
fn configuration(mode: &str) -> Config {
    configured(mode, "30s")
}

/// The same with leases of another length.
fn configured(mode: &str, lease: &str) -> Config {
    let slots = match mode {
        "best" => "1000",
        "default" => "100",
        slots => slots,
    };
    let url = std::env::vars_os().find(|(name, _)| name == "DATABASE_URL");
    let url = url.unwrap().1.into_string().unwrap();
    let set = [
        ("database.url", url.as_str()),
        ("queues.default.concurrency", slots),
        ("node.roles", "worker"),
        ("node.lease", lease),
    ];
    let global = Global {
        set: set
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        ..Global::default()
    };
    config::load(&global.sources_without_files())
        .unwrap()
        .config
}

/// A running queue.
struct Daemon {
    env: Env,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Daemon {
    async fn start(mode: &str) -> Self {
        Self::with(&configuration(mode)).await
    }

    async fn with(config: &Config) -> Self {
        let env = wiring::env(config).await.unwrap();
        let registry = Arc::new(
            wiring::registry()
                .with(JobDef::of::<Noop>())
                .with(JobDef::of::<Effect>()),
        );
        let options = wiring::queue_options(&env, &registry, config, Arc::default())
            .await
            .unwrap();
        let stop = CancellationToken::new();
        let run = queue::run(env.clone(), registry, options, stop.clone());
        let running = TaskTracker::new().spawn(run);
        Self { env, stop, running }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }
}

fn main() {
    let given: Vec<String> = std::env::args_os()
        .map(|arg| arg.into_string().unwrap())
        .collect();
    let words: Vec<&str> = given.iter().skip(1).map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().unwrap();
    let runtime = runtime().unwrap();
    runtime.block_on(async {
        telemetry::start_log(&configuration("default").log).unwrap();
        let metrics = telemetry::start_metrics().unwrap();
        TaskTracker::new().spawn(telemetry::upkeep(metrics, CancellationToken::new()));
        match words[..] {
            ["setup"] => setup().await,
            ["enqueue", jobs, batch] => enqueue(number(jobs), number(batch)).await,
            ["run", mode, jobs] => run(mode, number(jobs)).await,
            ["part", mode, jobs] => part(mode, number(jobs)).await,
            ["history", jobs] => history(number(jobs)).await,
            ["backlog", jobs] => enqueue(number(jobs), 5_000).await,
            ["latency", mode, samples] => latency(mode, number(samples)).await,
            ["worker", mode, file, millis] => worker(mode, file, number(millis)).await,
            ["enqueue-effects", jobs] => enqueue_effects(number(jobs)).await,
            ["effects", mode, lease] => effects(mode, lease).await,
            ["idle", mode, seconds] => idle(mode, number(seconds)).await,
            ["sql-busy"] => println!("{COUNT_BUSY}"),
            ["sql-left"] => println!("{COUNT_LEFT}"),
            _ => panic!("see the head of benches/queue/driver.rs"),
        }
    });
}

async fn setup() {
    let env = wiring::env_or_new(&configuration("default")).await.unwrap();
    wiring::prepare(&env, Migrate::Auto).await.unwrap();
}

async fn enqueue(jobs: u64, batch: u64) {
    let env = wiring::env(&configuration("default")).await.unwrap();
    let begun = Instant::now();
    let mut id = 0;
    while id < jobs {
        let end = (id + batch).min(jobs);
        put(&env, id..end).await;
        id = end;
    }
    println!("PQ {{\"secs\":{}}}", begun.elapsed().as_secs_f64());
}

async fn put(env: &Env, ids: std::ops::Range<u64>) {
    let new = ids.map(|id| NewJob::of("default", &Noop { id }).unwrap());
    outbox::enqueue_many_alone(env, new.collect())
        .await
        .unwrap();
}

async fn run(mode: &str, jobs: u64) {
    let begun = Instant::now();
    let daemon = Daemon::start(mode).await;
    let mut left = i64::MAX;
    while left > 0 {
        tokio::time::sleep(LOOK).await;
        if STARTED.load(Ordering::Relaxed) >= jobs {
            (left,) = daemon.env.db.one(LEFT, args![]).await.unwrap();
        }
    }
    println!("PQ {{\"secs\":{}}}", begun.elapsed().as_secs_f64());
    daemon.stop().await;
}

async fn part(mode: &str, jobs: u64) {
    let begun = Instant::now();
    let _daemon = Daemon::start(mode).await;
    while STARTED.load(Ordering::Relaxed) < jobs {
        tokio::time::sleep(LOOK).await;
    }
    println!("PQ {{\"secs\":{}}}", begun.elapsed().as_secs_f64());
    // The backlog is nobody's.
    std::process::exit(0);
}

async fn history(jobs: u64) {
    let env = wiring::env(&configuration("default")).await.unwrap();
    let jobs = i64::try_from(jobs).unwrap();
    for first in (1..=jobs).step_by(HISTORY_STEP) {
        let last = (first + i64::try_from(HISTORY_STEP).unwrap() - 1).min(jobs);
        let mut tx = env.db.begin().await.unwrap();
        let done = tx.execute(HISTORY, args![first, env.now(), last]).await;
        done.unwrap();
        tx.commit().await.unwrap();
    }
}

async fn latency(mode: &str, samples: u64) {
    let (bell, mut heard) = mpsc::unbounded_channel();
    BELL.set(bell).unwrap();
    let daemon = Daemon::start(mode).await;
    // The application enqueues on connections of its own.
    let client = wiring::env(&configuration(mode)).await.unwrap();
    let client = if client.db.engine() == "sqlite" {
        daemon.env.clone()
    } else {
        client
    };
    let mut millis = Vec::new();
    for id in 0..samples {
        tokio::time::sleep(PAUSE_MIN + PAUSE_SPREAD.mul_f64(client.chance.fraction())).await;
        let begun = Instant::now();
        put(&client, id..id + 1).await;
        let started = heard.recv().await.unwrap();
        millis.push((started - begun).as_secs_f64() * 1_000.0);
    }
    daemon.stop().await;
    millis.sort_by(f64::total_cmp);
    let at = |percent: usize| millis[(millis.len() * percent / 100).min(millis.len() - 1)];
    println!(
        "PQ {{\"n\":{samples},\"p50_ms\":{:.3},\"p99_ms\":{:.3},\"max_ms\":{:.3}}}",
        at(50),
        at(99),
        at(100)
    );
}

async fn worker(mode: &str, file: &str, millis: u64) {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .unwrap();
    assert!(WORK.set((Duration::from_millis(millis), file)).is_ok());
    let _daemon = Daemon::start(mode).await;
    std::future::pending::<()>().await;
}

async fn enqueue_effects(jobs: u64) {
    let env = wiring::env(&configuration("default")).await.unwrap();
    let new = (0..jobs).map(|id| NewJob::of("default", &Effect { id }).unwrap());
    outbox::enqueue_many_alone(&env, new.collect())
        .await
        .unwrap();
}

async fn effects(mode: &str, lease: &str) {
    let _daemon = Daemon::with(&configured(mode, lease)).await;
    std::future::pending::<()>().await;
}

async fn idle(mode: &str, seconds: u64) {
    let daemon = Daemon::start(mode).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (begun, before) = (Instant::now(), ticks());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let spent = Duration::from_secs(1) * (ticks() - before) / 100;
    let share = spent.as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0;
    println!("PQ {{\"idle_cpu_percent\":{share:.3}}}");
    daemon.stop().await;
}

/// CPU time of this process in hundredths of a second.
fn ticks() -> u32 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    fields[11].parse::<u32>().unwrap() + fields[12].parse::<u32>().unwrap()
}
