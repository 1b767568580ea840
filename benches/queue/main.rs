//! How fast the queue is on both databases, with nothing but jobs that do nothing.
//!
//! Each figure comes from a process of its own (`driver.rs`) against a fresh database: PostgreSQL with its defaults,
//! `fsync` among them, and SQLite with `synchronous = FULL`. `./dev bench queue` prints a table and writes
//! `docs/benchmarks/queue.md` and `.svg`. With `--peers FILE` the results that `peer-queues.sh` appended to FILE in the
//! same session stand beside ours.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that cannot be made ends"
)]

#[path = "../page.rs"]
mod page;
mod report;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use memberd_jobs::testing::Server;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// Rounds; the medians of their figures are shown.
const ROUNDS: usize = 3;
/// Jobs of a round.
const JOBS: u64 = 100_000;
/// Jobs that are enqueued one by one.
const SINGLE_JOBS: u64 = 5_000;
/// Samples of the latency.
const SAMPLES: u64 = 300;
/// Seconds at rest.
const IDLE_SECONDS: u64 = 20;
/// Rows of a long history, and of a long backlog.
const MANY: u64 = 1_000_000;

/// What is measured. The names are those of the lab's results without `memberd-`.
const CASES: [&str; 9] = [
    "run-best",
    "run-default",
    "enqueue-b5000",
    "enqueue-b1",
    "latency-p50",
    "latency-p99",
    "idle",
    "run-history",
    "run-backlog",
];

/// PostgreSQL's own defaults, where the tests use others.
const DEFAULTS: [&str; 7] = [
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "autovacuum=on",
    "shared_buffers=128MB",
    "max_connections=100",
    "jit=on",
];

/// Figures by case, one for each round.
type Figures = BTreeMap<&'static str, Vec<f64>>;

struct Bench {
    driver: PathBuf,
    rounds: usize,
    jobs: u64,
    many: u64,
}

fn main() {
    let words: Vec<String> = std::env::args_os()
        .map(|word| word.into_string().unwrap())
        .collect();
    let after = |flag: &str| {
        let at = words.iter().position(|word| word == flag)?;
        words.get(at + 1).cloned()
    };
    let quick = words.iter().any(|word| word == "--quick");
    let bench = Bench {
        driver: after("--driver")
            .expect("--driver: `./dev bench queue` gives it")
            .into(),
        rounds: if quick { 1 } else { ROUNDS },
        jobs: if quick { JOBS / 5 } else { JOBS },
        many: if quick { MANY / 10 } else { MANY },
    };
    // On a disk, where commits cost something, and open to PostgreSQL's user, which may not be root.
    let folder = Path::new("/var/tmp");
    let peers = after("--peers").map_or_else(Vec::new, |file| report::peers(&file));
    let runtime = page::runtime(folder);
    let (postgres, sqlite) = runtime.block_on(async {
        let server = Server::start_with(&DEFAULTS).await;
        let postgres = bench.all(Some(&server)).await;
        drop(server);
        (postgres, bench.all(None).await)
    });
    let text = report::markdown(bench.rounds, folder, &postgres, &sqlite, &peers);
    println!("{text}");
    if !quick {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/benchmarks");
        std::fs::write(docs.join("queue.md"), text).unwrap();
        std::fs::write(
            docs.join("queue.svg"),
            report::svg(&postgres, &sqlite, &peers),
        )
        .unwrap();
    }
}

impl Bench {
    /// Every case on one database: on PostgreSQL with a server, on SQLite without.
    async fn all(&self, server: Option<&Server>) -> Figures {
        let mut figures = Figures::new();
        for round in 1..=self.rounds {
            for (mode, case) in [("best", "run-best"), ("default", "run-default")] {
                let at = Place::new(self, server).await;
                let rate = at.rate(&["enqueue", &self.jobs.to_string(), "5000"], self.jobs);
                note(&mut figures, round, "enqueue-b5000", rate);
                at.tidy().await;
                let rate = at.rate(&["run", mode, &self.jobs.to_string()], self.jobs);
                note(&mut figures, round, case, rate);
            }
            let at = Place::new(self, server).await;
            let rate = at.rate(&["enqueue", &SINGLE_JOBS.to_string(), "1"], SINGLE_JOBS);
            note(&mut figures, round, "enqueue-b1", rate);
            let at = Place::new(self, server).await;
            let latency = at.tell(&["latency", "default", &SAMPLES.to_string()]);
            note(
                &mut figures,
                round,
                "latency-p50",
                latency["p50_ms"].as_f64().unwrap(),
            );
            note(
                &mut figures,
                round,
                "latency-p99",
                latency["p99_ms"].as_f64().unwrap(),
            );
            let idle = at.tell(&["idle", "default", &IDLE_SECONDS.to_string()]);
            note(
                &mut figures,
                round,
                "idle",
                idle["idle_cpu_percent"].as_f64().unwrap(),
            );
            for (verb, case) in [("history", "run-history"), ("backlog", "run-backlog")] {
                let at = Place::new(self, server).await;
                at.tell(&[verb, &self.many.to_string()]);
                at.tell(&["enqueue", &self.jobs.to_string(), "5000"]);
                at.tidy().await;
                let rate = at.rate(&["part", "default", &self.jobs.to_string()], self.jobs);
                note(&mut figures, round, case, rate);
            }
        }
        figures
    }
}

fn note(figures: &mut Figures, round: usize, case: &'static str, figure: f64) {
    assert!(CASES.contains(&case));
    println!("round {round}: {case}: {figure:.2}");
    figures.entry(case).or_default().push(figure);
}

/// A fresh database with its schema.
struct Place<'a> {
    bench: &'a Bench,
    url: String,
    postgres: bool,
    _folder: tempfile::TempDir,
}

impl<'a> Place<'a> {
    async fn new(bench: &'a Bench, server: Option<&Server>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = match server {
            Some(server) => {
                let mut admin = PgConnection::connect(server.url()).await.unwrap();
                for sql in [
                    "DROP DATABASE IF EXISTS queue WITH (FORCE)",
                    "CREATE DATABASE queue",
                ] {
                    sqlx::query(sql).execute(&mut admin).await.unwrap();
                }
                format!("{}/queue", server.url().rsplit_once('/').unwrap().0)
            }
            None => format!("sqlite:{}", folder.path().join("queue.db").display()),
        };
        let place = Self {
            bench,
            url,
            postgres: server.is_some(),
            _folder: folder,
        };
        place.tell(&["setup"]);
        place
    }

    /// What time does to a table that is used: statistics and a checkpoint.
    async fn tidy(&self) {
        if self.postgres {
            let mut database = PgConnection::connect(&self.url).await.unwrap();
            for sql in ["VACUUM ANALYZE", "CHECKPOINT"] {
                sqlx::query(AssertSqlSafe(sql))
                    .execute(&mut database)
                    .await
                    .unwrap();
            }
        }
    }

    /// Runs the driver; answers what it told.
    fn tell(&self, words: &[&str]) -> Value {
        let mut command = Command::new(&self.bench.driver);
        let output = command
            .args(words)
            .env("DATABASE_URL", &self.url)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{words:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let line = text.lines().find_map(|line| line.strip_prefix("PQ "));
        line.map_or(Value::Null, |line| serde_json::from_str(line).unwrap())
    }

    /// Jobs a second.
    fn rate(&self, words: &[&str], jobs: u64) -> f64 {
        let secs = self.tell(words)["secs"].as_f64().unwrap();
        f64::from(u32::try_from(jobs).unwrap()) / secs
    }
}
