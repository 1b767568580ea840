//! kill -9 of the queue itself: two processes on one database, jobs whose effect and end are one transaction.
//!
//! The processes are `benches/queue/driver.rs`, which runs the daemon's queue with jobs of its own, because no job of the
//! daemon takes long or can be counted.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use memberd_jobs::{
    args,
    kernel::db::Sql,
    testing::{Engine, TestDb},
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::seed;
use crate::support::{let_pass, wait::within};

/// Kills of a usual run; `MEMBERD_CHAOS_KILLS` gives another number.
const KILLS: usize = 12;
const VARIABLE: &str = "MEMBERD_CHAOS_KILLS";
/// Jobs for each kill: about as many as two processes finish in between.
const JOBS_PER_KILL: usize = 120;
/// Slots of a process.
const SLOTS: &str = "20";
/// Length of a lease, the shortest there is.
const LEASE: &str = "5s";
/// The longest time between two kills, a start not counted.
const LIFE_MAX_MS: u64 = 600;
/// How long the rest may take after the last kill.
const PATIENCE: Duration = Duration::from_mins(2);

const OWNED: Sql = Sql::both(
    "SELECT count(*) FROM jobs WHERE owner IN (SELECT id FROM nodes WHERE name LIKE '%-' || $1)",
);
const NOT_ONCE: Sql = Sql::split(
    "SELECT count(*) FROM jobs_done AS d WHERE kind = 'bench.effect' AND (state <> 'completed' OR 1 <>
        (SELECT count(*) FROM events AS e WHERE e.type = 'bench.effect' AND e.data ->> 'job_id' = d.id))",
    "SELECT count(*) FROM jobs_done AS d
     LEFT JOIN (SELECT data::json ->> 'job_id' AS job_id, count(*) AS times FROM events
                WHERE type = 'bench.effect' GROUP BY 1) AS e ON e.job_id = d.id
     WHERE kind = 'bench.effect' AND (state <> 'completed' OR times IS DISTINCT FROM 1)",
);

struct Process(Child);

impl Process {
    fn start(db: &TestDb) -> Self {
        Self(command(db).args(["effects", SLOTS, LEASE]).spawn().unwrap())
    }

    /// Kills it; answers how many jobs it had.
    async fn kill9(&mut self, db: &TestDb) -> i64 {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
        // PostgreSQL may still be doing what it was asked last; the leases are far longer.
        let_pass(Duration::from_millis(200)).await;
        let pid = self.0.id().to_string();
        let (owned,): (i64,) = db.env.db.one(OWNED, args![pid]).await.unwrap();
        owned
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(db: &TestDb) -> Command {
    // Cargo builds examples with the tests and puts them beside the binary.
    let driver = Path::new(env!("CARGO_BIN_EXE_memberd")).with_file_name("examples/queue_driver");
    assert!(
        driver.exists(),
        "there is no {}: `cargo build --example queue_driver` makes it",
        driver.display()
    );
    let mut command = Command::new(driver);
    command
        .env_clear()
        .env("DATABASE_URL", db.url())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit());
    command
}

async fn every_effect_once(engine: Engine) {
    let seed = seed();
    let mut rng = StdRng::seed_from_u64(seed);
    let kills = std::env::var_os(VARIABLE);
    let kills = kills.map_or(KILLS, |text| text.to_str().unwrap().parse().unwrap());
    let db = TestDb::new(engine).await;
    let jobs = (kills * JOBS_PER_KILL).to_string();
    assert!(
        command(&db)
            .args(["enqueue-effects", &jobs])
            .status()
            .unwrap()
            .success()
    );
    let mut processes = [Process::start(&db), Process::start(&db)];
    let mut in_flight = 0;
    for kill in 0..kills {
        let_pass(Duration::from_millis(rng.random_range(0..LIFE_MAX_MS))).await;
        in_flight += processes[kill % 2].kill9(&db).await;
        processes[kill % 2] = Process::start(&db);
    }
    within(PATIENCE, "no job left", async || {
        (db.count("jobs").await == 0).then_some(())
    })
    .await;
    let (wrong,): (i64,) = db.env.db.one(NOT_ONCE, args![]).await.unwrap();
    assert_eq!(wrong, 0, "jobs whose effect is not there exactly once");
    assert_eq!(
        db.count("jobs_done WHERE kind = 'bench.effect'")
            .await
            .to_string(),
        jobs
    );
    // Whatever ran when its process was killed runs again, and nothing else.
    assert_eq!(
        db.count("job_attempts").await,
        in_flight,
        "runs that were begun again"
    );
    assert!(
        in_flight > 0,
        "nothing was running at any kill: nothing was tested"
    );
    println!("{kills} kills, {jobs} jobs, {in_flight} of them in flight");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_queues_killed_in_turn_on_sqlite() {
    every_effect_once(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_queues_killed_in_turn_on_postgres() {
    every_effect_once(Engine::Postgres).await;
}
