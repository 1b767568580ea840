//! What apalis' stock SQL backends do where memberd's own backend has a promise. Each case prints what it saw; `run.sh`
//! runs all of them. `DATABASE_URL` names an empty PostgreSQL database, or a file: `sqlite:stock.db`.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use apalis::{layers::WorkerBuilderExt as _, prelude::*};
use apalis_postgres::{PgPool, PostgresStorage};
use apalis_sqlite::SqliteStorage;
use sqlx::{
    Row as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Attempts that a job may have by default.
const ATTEMPTS_MAX: usize = 25;
/// How long a case watches.
const WATCH: Duration = Duration::from_secs(10);

static RUNS: AtomicUsize = AtomicUsize::new(0);

async fn fails(_: u64) -> Result<(), BoxDynError> {
    RUNS.fetch_add(1, SeqCst);
    Err("it always fails".into())
}

async fn sleeps(_: u64) -> Result<(), BoxDynError> {
    RUNS.fetch_add(1, SeqCst);
    tokio::time::sleep(Duration::from_mins(10)).await;
    Ok(())
}

async fn counts(_: u64) -> Result<(), BoxDynError> {
    RUNS.fetch_add(1, SeqCst);
    Ok(())
}

/// Takes 100 ms and writes its number into a file when it is done.
async fn writes(number: u64, file: Data<Arc<Mutex<File>>>) -> Result<(), BoxDynError> {
    tokio::time::sleep(Duration::from_millis(100)).await;
    writeln!(file.lock().unwrap(), "{number}")?;
    Ok(())
}

enum Pool {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

/// The backend of either database, with jobs that are numbers.
macro_rules! backend {
    ($storage:ident, $config:path, $pool:expr, $batch:expr) => {
        $storage::<u64>::new($pool).with_config(
            <$config>::default()
                .queue("stock")
                .batch_size($batch)
                .heartbeat_interval(Duration::from_secs(2))
                .missed_heartbeats(3),
        )
    };
}
macro_rules! with_backend {
    ($pool:expr, $batch:expr, |$backend:ident| $body:expr) => {
        match $pool {
            Pool::Postgres(pool) => {
                #[allow(unused_mut)]
                let mut $backend = backend!(PostgresStorage, apalis_postgres::Config, pool, $batch);
                $body
            }
            Pool::Sqlite(pool) => {
                #[allow(unused_mut)]
                let mut $backend = backend!(SqliteStorage, apalis_sqlite::Config, pool, $batch);
                $body
            }
        }
    };
}

impl Pool {
    async fn open() -> Result<Self, Failure> {
        let url = std::env::var("DATABASE_URL")?;
        let Some(file) = url.strip_prefix("sqlite:") else {
            let pool = PgPool::connect(&url).await?;
            PostgresStorage::setup(&pool).await?;
            return Ok(Self::Postgres(pool));
        };
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal);
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await?;
        SqliteStorage::migrations().run(&pool).await?;
        Ok(Self::Sqlite(pool))
    }

    /// How many jobs are in each state.
    async fn states(&self) -> Result<String, Failure> {
        let rows: Vec<(String, i64)> = match self {
            Self::Postgres(pool) => {
                let rows = sqlx::query(
                    "SELECT status, count(*) FROM apalis.jobs GROUP BY status ORDER BY status",
                );
                rows.fetch_all(pool)
                    .await?
                    .iter()
                    .map(|row| (row.get(0), row.get(1)))
                    .collect()
            }
            Self::Sqlite(pool) => {
                let rows = sqlx::query(
                    "SELECT status, count(*) FROM Jobs GROUP BY status ORDER BY status",
                );
                rows.fetch_all(pool)
                    .await?
                    .iter()
                    .map(|row| (row.get(0), row.get(1)))
                    .collect()
            }
        };
        let words: Vec<_> = rows
            .iter()
            .map(|(state, count)| format!("{count} {state}"))
            .collect();
        Ok(words.join(", "))
    }

    async fn push(&self, jobs: u64) -> Result<(), Failure> {
        with_backend!(self, 10, |backend| backend
            .push_bulk((0..jobs).collect())
            .await?);
        Ok(())
    }

    async fn spoil(&self) -> Result<(), Failure> {
        match self {
            Self::Postgres(pool) => {
                sqlx::query("UPDATE apalis.jobs SET job = convert_to('not a number', 'UTF8')")
                    .execute(pool)
                    .await?;
            }
            Self::Sqlite(pool) => {
                sqlx::query("UPDATE Jobs SET job = CAST('not a number' AS BLOB)")
                    .execute(pool)
                    .await?;
            }
        }
        Ok(())
    }
}

fn name() -> String {
    format!("stock-{}", std::process::id())
}

/// A job whose time is up.
async fn timeout(pool: &Pool) -> Result<(), Failure> {
    pool.push(1).await?;
    with_backend!(pool, 10, |backend| {
        let worker = WorkerBuilder::new(name())
            .backend(backend)
            .timeout(Duration::from_millis(200))
            .build(sleeps);
        let _ = tokio::time::timeout(WATCH, worker.run()).await;
    });
    println!(
        "timeout after 0.2 s: {} run, {WATCH:?} later {}",
        RUNS.load(SeqCst),
        pool.states().await?
    );
    Ok(())
}

/// A job that fails.
async fn retries(pool: &Pool) -> Result<(), Failure> {
    pool.push(1).await?;
    let begun = Instant::now();
    with_backend!(pool, 10, |backend| {
        let worker = WorkerBuilder::new(name())
            .backend(backend.poll_with_interval(Duration::from_millis(50)))
            .build(fails);
        let watched = async {
            while RUNS.load(SeqCst) < ATTEMPTS_MAX {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = tokio::time::timeout(WATCH, async {
            tokio::select! { _ = worker.run() => {} () = watched => {} }
        })
        .await;
    });
    println!(
        "a job that fails: {} attempts in {:.1?}",
        RUNS.load(SeqCst),
        begun.elapsed()
    );
    Ok(())
}

/// A job that cannot be read among nine that can.
async fn unreadable(pool: &Pool) -> Result<(), Failure> {
    pool.push(1).await?;
    pool.spoil().await?;
    pool.push(9).await?;
    with_backend!(pool, 10, |backend| {
        let worker = WorkerBuilder::new(name()).backend(backend).build(counts);
        let ended = tokio::time::timeout(WATCH, worker.run()).await;
        let ended = ended.map_or("the worker lives".to_owned(), |ended| {
            format!("the worker ended with {ended:?}")
        });
        println!(
            "one unreadable job of ten: {ended}; {} ran, {}",
            RUNS.load(SeqCst),
            pool.states().await?
        );
    });
    Ok(())
}

/// A worker for `run.sh` to kill.
async fn worker(pool: &Pool, file: &str) -> Result<(), Failure> {
    let file = OpenOptions::new().create(true).append(true).open(file)?;
    with_backend!(pool, 200, |backend| {
        let worker = WorkerBuilder::new(name())
            .backend(backend.poll_with_interval(Duration::from_millis(100)))
            .concurrency(20)
            .data(Arc::new(Mutex::new(file)))
            .build(writes);
        worker.run().await?;
    });
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let pool = Pool::open().await?;
    match args[0].as_str() {
        "timeout" => timeout(&pool).await,
        "retries" => retries(&pool).await,
        "unreadable" => unreadable(&pool).await,
        "push" => pool.push(args[1].parse()?).await,
        "worker" => worker(&pool, &args[1]).await,
        "states" => {
            println!("{}", pool.states().await?);
            Ok(())
        }
        other => Err(format!("no case {other}").into()),
    }
}
