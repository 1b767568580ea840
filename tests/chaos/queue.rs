//! kill -9 of the queue itself: two processes on one database, jobs whose effect and end are one transaction.
//!
//! The processes are `benches/queue/driver.rs`, which runs the daemon's queue with jobs of its own, because no job of the
//! daemon takes long or can be counted.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use memberd_jobs::{
    args,
    kernel::db::Sql,
    testing::{Engine, Server, TestDb},
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use sqlx::{Connection as _, SqliteConnection};

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
/// The same.
const LEASE_TIME: Duration = Duration::from_secs(5);
/// What a rescue may take beyond a lease and a third, because the machine is busy.
const MARGIN: Duration = Duration::from_secs(2);
/// How long the database is away.
const OUTAGE: Duration = Duration::from_secs(5);
/// How long the rest may take after the last kill.
const PATIENCE: Duration = Duration::from_mins(2);

const OWNED: Sql = Sql::both(
    "SELECT id, fence FROM jobs WHERE owner IN (SELECT id FROM nodes WHERE name LIKE '%-' || $1)",
);
const THERE: Sql = Sql::both("SELECT count(*) FROM nodes WHERE name LIKE '%-' || $1");
const AGAIN: Sql = Sql::both("SELECT job_id, fence, owner, error FROM job_attempts");
/// Jobs that no lease covers: nobody would ever miss their process.
const UNCOVERED: Sql = Sql::both(
    "SELECT count(*) FROM jobs WHERE owner IS NOT NULL AND id NOT IN (SELECT id FROM jobs_running)",
);
/// Connections of a dead process: the server finishes what it was asked last before it sees that nobody is there.
const CONNECTED: Sql = Sql::split(
    "SELECT 0 WHERE $1 = ''",
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1",
);
const NOT_ONCE: Sql = Sql::split(
    "SELECT count(*) FROM jobs_done AS d WHERE kind = 'bench.effect' AND (state <> 'completed' OR 1 <>
        (SELECT count(*) FROM events AS e WHERE e.type = 'bench.effect' AND e.data ->> 'job_id' = d.id))",
    "SELECT count(*) FROM jobs_done AS d
     LEFT JOIN (SELECT data::json ->> 'job_id' AS job_id, count(*) AS times FROM events
                WHERE type = 'bench.effect' GROUP BY 1) AS e ON e.job_id = d.id
     WHERE kind = 'bench.effect' AND (state <> 'completed' OR times IS DISTINCT FROM 1)",
);

/// A job and the number of its claim.
type Claim = (String, i64);

struct Process {
    child: Child,
    /// What PostgreSQL calls its connections.
    name: String,
}

impl Process {
    /// Starts one and waits until it is on the list of nodes, because before that nobody can tell what it has.
    async fn start(db: &TestDb) -> Self {
        let name = db.env.id("chaos");
        let url = match db.engine() {
            Engine::Sqlite => db.url(),
            Engine::Postgres => format!("{}?application_name={name}", db.url()),
        };
        let mut command = command(db);
        command
            .env("DATABASE_URL", url)
            .args(["effects", SLOTS, LEASE]);
        let child = command.spawn().unwrap();
        let process = Self { child, name };
        let pid = process.child.id().to_string();
        within(PATIENCE, "the process on the list", async || {
            let (there,): (i64,) = db.env.db.one(THERE, args![&pid]).await.unwrap();
            (there > 0).then_some(())
        })
        .await;
        process
    }

    /// Kills it; answers which jobs it had.
    async fn kill9(&mut self, db: &TestDb) -> BTreeSet<Claim> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        within(PATIENCE, "the end of what it asked last", async || {
            let left: Option<(i64,)> = db
                .env
                .db
                .optional(CONNECTED, args![&self.name])
                .await
                .unwrap();
            left.is_none_or(|(left,)| left == 0).then_some(())
        })
        .await;
        self.owned(db).await
    }

    /// Jobs that are this process's, as the database has it.
    async fn owned(&self, db: &TestDb) -> BTreeSet<Claim> {
        let pid = self.child.id().to_string();
        let owned: Vec<Claim> = db.env.db.all(OWNED, args![pid]).await.unwrap();
        owned.into_iter().collect()
    }
}

/// Whatever was running at a kill runs again, and nothing else.
async fn assert_only_these_ran_again(db: &TestDb, in_flight: &BTreeSet<Claim>) {
    assert!(
        !in_flight.is_empty(),
        "nothing was running at any kill: nothing was tested"
    );
    let again: Vec<(String, i64, String, String)> = db.env.db.all(AGAIN, &[]).await.unwrap();
    let again: BTreeMap<Claim, _> = again
        .into_iter()
        .map(|(id, fence, owner, error)| ((id, fence), (owner, error)))
        .collect();
    let missing: Vec<_> = in_flight
        .iter()
        .filter(|claim| !again.contains_key(claim))
        .collect();
    let surplus: Vec<_> = again
        .iter()
        .filter(|(claim, _)| !in_flight.contains(claim))
        .collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "{missing:?} were running and did not run again, {surplus:?} were not and did"
    );
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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

fn enqueue(db: &TestDb, jobs: usize) {
    let jobs = jobs.to_string();
    let enqueued = command(db).args(["enqueue-effects", &jobs]).status();
    assert!(enqueued.unwrap().success());
}

/// Waits until nothing is left, and looks whether all of it was done, once.
async fn assert_every_effect_once(db: &TestDb, jobs: usize) {
    within(PATIENCE, "no job left", async || {
        (db.count("jobs").await == 0).then_some(())
    })
    .await;
    let (wrong,): (i64,) = db.env.db.one(NOT_ONCE, args![]).await.unwrap();
    assert_eq!(wrong, 0, "jobs whose effect is not there exactly once");
    let done = db.count("jobs_done WHERE kind = 'bench.effect'").await;
    assert_eq!(done, i64::try_from(jobs).unwrap());
}

async fn every_effect_once(engine: Engine) {
    let seed = seed();
    let mut rng = StdRng::seed_from_u64(seed);
    let kills = std::env::var_os(VARIABLE);
    let kills = kills.map_or(KILLS, |text| text.to_str().unwrap().parse().unwrap());
    let db = TestDb::new(engine).await;
    let jobs = kills * JOBS_PER_KILL;
    enqueue(&db, jobs);
    let mut processes = [Process::start(&db).await, Process::start(&db).await];
    let mut in_flight = BTreeSet::new();
    for kill in 0..kills {
        let_pass(Duration::from_millis(rng.random_range(0..LIFE_MAX_MS))).await;
        in_flight.extend(processes[kill % 2].kill9(&db).await);
        let (uncovered,): (i64,) = db.env.db.one(UNCOVERED, &[]).await.unwrap();
        assert_eq!(uncovered, 0, "jobs that no lease covers");
        processes[kill % 2] = Process::start(&db).await;
    }
    assert_every_effect_once(&db, jobs).await;
    assert_only_these_ran_again(&db, &in_flight).await;
    println!(
        "{kills} kills, {jobs} jobs, {} of them in flight",
        in_flight.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_queues_killed_in_turn_on_sqlite() {
    every_effect_once(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_queues_killed_in_turn_on_postgres() {
    every_effect_once(Engine::Postgres).await;
}

/// From the kill until no job is the dead process's any more: its leases end, and the other process looks for such.
async fn rescue(engine: Engine) {
    const JOBS: usize = 4_000;
    let db = TestDb::new(engine).await;
    enqueue(&db, JOBS);
    let _other = Process::start(&db).await;
    let mut dying = Process::start(&db).await;
    within(PATIENCE, "jobs under way", async || {
        (dying.owned(&db).await.len() > 5).then_some(())
    })
    .await;
    let killed = Instant::now();
    let owned = dying.kill9(&db).await;
    within(PATIENCE, "a rescue", async || {
        dying.owned(&db).await.is_empty().then_some(())
    })
    .await;
    let took = killed.elapsed();
    println!("{} jobs were rescued after {took:.1?}", owned.len());
    assert!(
        took < LEASE_TIME * 4 / 3 + MARGIN,
        "the rescue took {took:?}"
    );
    assert_every_effect_once(&db, JOBS).await;
    assert_only_these_ran_again(&db, &owned).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_process_is_rescued_within_a_lease_and_a_third_on_sqlite() {
    rescue(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_process_is_rescued_within_a_lease_and_a_third_on_postgres() {
    rescue(Engine::Postgres).await;
}

/// Two processes in the middle of their work, and what keeps them from it.
async fn without_database(db: &TestDb, outage: impl Future<Output = ()>) {
    const JOBS: usize = 3_000;
    enqueue(db, JOBS);
    let mut processes = [Process::start(db).await, Process::start(db).await];
    within(PATIENCE, "work under way", async || {
        (db.count("jobs_done").await > 200).then_some(())
    })
    .await;
    outage.await;
    assert!(
        db.count("jobs").await > 0,
        "all was done before: nothing was tested"
    );
    assert_every_effect_once(db, JOBS).await;
    for process in &mut processes {
        assert!(
            process.child.try_wait().unwrap().is_none(),
            "a process has ended"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_queues_survive_a_stop_of_postgres() {
    let mut server = Server::start().await;
    let db = TestDb::on(&server).await;
    without_database(&db, async {
        server.stop();
        let_pass(OUTAGE).await;
        server.start_again().await;
    })
    .await;
}

/// What is nearest to a stop where there is no server: somebody else has the file's lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_queues_survive_a_lock_of_sqlite() {
    let db = TestDb::sqlite().await;
    without_database(&db, async {
        let mut other = SqliteConnection::connect(&db.url()).await.unwrap();
        within(PATIENCE, "the lock", async || {
            sqlx::query("BEGIN IMMEDIATE")
                .execute(&mut other)
                .await
                .ok()
        })
        .await;
        let_pass(OUTAGE).await;
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    })
    .await;
}
