//! Opening the database.

use std::{
    fs::OpenOptions, os::unix::fs::OpenOptionsExt as _, path::Path, str::FromStr, sync::Arc,
    time::Duration,
};

use sqlx::{
    Connection as _,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{Db, Engine, Error, Result, Wakes, writer::WriteQueue};
use crate::kernel::{
    clock::millis,
    limits::{
        IDLE_TRANSACTION_MAX, POOL_ACQUIRE_TIMEOUT, POOL_TRUST, SQLITE_BUSY_TIMEOUT,
        STATEMENT_CACHE,
    },
};

/// How to open the database.
#[derive(Clone, Debug)]
pub struct Options {
    /// `sqlite:path` or `postgres://…`.
    pub url: String,
    /// Connections of this process: all of them on PostgreSQL, those that read on SQLite.
    pub max_connections: u32,
    /// Longest statement on PostgreSQL.
    pub statement_timeout: Duration,
    /// What the connections are for.
    pub plans: Plans,
}

/// How PostgreSQL plans the statements of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plans {
    /// As it thinks best, each time anew: a plan that was made while a table was small is kept until the statistics change,
    /// and a first fill is over by then. With it, what optional filters leave out is left out of the plan.
    #[default]
    Lookups,
    /// Always by the indexes and never anew. For the queue's rounds and leases: they find a handful of rows in a
    /// table whose size changes faster than its statistics, and one plan that joins them with a scan of the table costs
    /// most of the speed.
    Rounds,
}

impl Plans {
    const fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Lookups => &[("plan_cache_mode", "force_custom_plan"), ("jit", "off")],
            Self::Rounds => &[
                ("plan_cache_mode", "force_generic_plan"),
                ("enable_seqscan", "off"),
                ("enable_hashjoin", "off"),
                ("enable_mergejoin", "off"),
                ("enable_bitmapscan", "off"),
                ("enable_sort", "off"),
                ("jit", "off"),
            ],
        }
    }
}

impl Db {
    /// Opens the database; creates the file of a SQLite database that is not there yet.
    ///
    /// # Errors
    /// When it cannot be reached or the URL is of neither database.
    pub async fn open(options: &Options) -> Result<Self> {
        let engine = if options.url.starts_with("sqlite:") {
            open_sqlite(options).await?
        } else if options.url.starts_with("postgres") {
            open_postgres(options).await?
        } else {
            return Err(Error::Unavailable(
                "database.url must start with sqlite: or postgres://".to_owned(),
            ));
        };
        Ok(Self {
            engine,
            wakes: Arc::new(Wakes::default()),
        })
    }

    /// Closes the connections that read; the writer closes with the last handle.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite { read, .. } => read.close().await,
            Engine::Postgres(pool) => pool.close().await,
        }
    }
}

async fn open_sqlite(options: &Options) -> Result<Engine> {
    let file = SqliteConnectOptions::from_str(&options.url)?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // A commit that was answered survives a power cut: money is booked here.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(SQLITE_BUSY_TIMEOUT)
        // Deleted rows are overwritten: an erased member must not remain in the file.
        .pragma("secure_delete", "ON")
        .pragma("temp_store", "MEMORY")
        .statement_cache_capacity(STATEMENT_CACHE);
    if !options.url.contains(":memory:") {
        make_private(file.get_filename());
    }
    let place = file.get_filename().display().to_string();
    let write = WriteQueue::open(file.clone())
        .await
        .map_err(|error| error.at(&place))?;
    let read = SqlitePoolOptions::new()
        .max_connections(options.max_connections)
        .acquire_timeout(POOL_ACQUIRE_TIMEOUT)
        .connect_with(file.pragma("query_only", "ON"))
        .await
        .map_err(|error| Error::from(error).at(&place))?;
    Ok(Engine::Sqlite { write, read })
}

/// Makes a new file that only its owner may read: names and addresses stand in it. SQLite gives its other files the
/// same mode. Where that fails, opening the database tells why.
fn make_private(file: &Path) {
    let _ = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file);
}

async fn open_postgres(options: &Options) -> Result<Engine> {
    let server = PgConnectOptions::from_str(&options.url)?;
    // A name in the URL tells several installations on one server apart.
    let name = server
        .get_application_name()
        .unwrap_or("memberd")
        .to_owned();
    let server = server
        .application_name(&name)
        .options([
            (
                "statement_timeout",
                millis(options.statement_timeout).to_string(),
            ),
            (
                "idle_in_transaction_session_timeout",
                millis(IDLE_TRANSACTION_MAX).to_string(),
            ),
        ])
        .options(options.plans.settings().iter().copied())
        .statement_cache_capacity(STATEMENT_CACHE);
    let place = format!("PostgreSQL at {}:{}", server.get_host(), server.get_port());
    let pool = PgPoolOptions::new()
        .max_connections(options.max_connections)
        // A connection that was used a moment ago is not asked whether it lives: that would cost a trip each time.
        .test_before_acquire(false)
        .before_acquire(|connection, about| {
            Box::pin(async move {
                if about.idle_for >= POOL_TRUST {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .acquire_timeout(POOL_ACQUIRE_TIMEOUT)
        .connect_with(server)
        .await
        .map_err(|error| Error::from(error).at(&place))?;
    Ok(Engine::Postgres(pool))
}
