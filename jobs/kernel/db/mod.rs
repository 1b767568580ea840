//! The two databases behind one set of calls. Nothing outside this folder knows which one is there.
//!
//! Reads go to [`Db`] (on SQLite a pool of its own that cannot write), writes go through [`Tx`]. SQL is written once
//! as [`Sql::both`] or, where the databases differ, as [`Sql::split`]; times and ids are parameters, never `now()`.

mod error;
mod migrate;
mod open;
mod rows;
mod sql;
mod wake;
mod writer;

#[cfg(test)]
mod migrate_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod writer_tests;

use std::{collections::BTreeSet, sync::Arc};

pub use error::Error;
pub use migrate::{MigrationState, Pending};
pub use open::{Options, Plans};
pub use rows::Row;
pub use sql::{Arg, Record, Sql};
use sql::{NOTHING, postgres_arguments, sqlite_arguments};
use sqlx::{PgPool, SqlitePool, postgres::Postgres};
pub use wake::{Wakes, Woken};
use writer::{SqliteTx, WriteQueue};

use super::{
    context::Env,
    outbox::{self, NewJob},
    queue::Queue,
};

/// The result of a database call.
pub type Result<T> = std::result::Result<T, Error>;

/// The database. Clones share the pools.
#[derive(Clone, Debug)]
pub struct Db {
    engine: Engine,
    wakes: Arc<Wakes>,
}

#[derive(Clone, Debug)]
enum Engine {
    Sqlite { write: WriteQueue, read: SqlitePool },
    Postgres(PgPool),
}

/// A write transaction. Dropped without [`Tx::commit`] it leaves nothing behind.
#[derive(Debug)]
pub struct Tx {
    engine: TxEngine,
    wakes: Arc<Wakes>,
    /// Queues that got work in this transaction; their workers are told when it commits.
    queues: BTreeSet<Queue>,
    /// Jobs to enqueue once everything else is written.
    last: Option<(Env, Vec<NewJob>)>,
    /// A statement failed: PostgreSQL would turn the commit into a rollback and call that success.
    failed: Option<Error>,
}

#[derive(Debug)]
enum TxEngine {
    Sqlite(SqliteTx),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

/// Writes without changing anything.
const TOUCH: Sql = Sql::both("UPDATE organizations SET name = name WHERE id = 'default'");
const NOTIFY: &str = "SELECT pg_notify('memberd_jobs', $1)";

/// When a transaction is flushed to disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flush {
    /// Before its caller hears of it.
    Now,
    /// With the next that is flushed.
    Later,
}

impl Db {
    /// Which database this is, for people: `sqlite` or `postgres`.
    pub const fn engine(&self) -> &'static str {
        match self.engine {
            Engine::Sqlite { .. } => "sqlite",
            Engine::Postgres(_) => "postgres",
        }
    }

    /// Whether it is PostgreSQL.
    pub(in crate::kernel) const fn is_postgres(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    /// Starts a write transaction. On SQLite it takes the write lock at once and may share a commit with others.
    pub async fn begin(&self) -> Result<Tx> {
        let engine = match &self.engine {
            Engine::Sqlite { write, .. } => TxEngine::Sqlite(write.begin().await?),
            Engine::Postgres(pool) => TxEngine::Postgres(pool.begin().await?),
        };
        Ok(Tx {
            engine,
            wakes: Arc::clone(&self.wakes),
            queues: BTreeSet::new(),
            last: None,
            failed: None,
        })
    }

    /// All rows of a read.
    pub async fn all<T: Record>(&self, sql: Sql, args: &[Arg<'_>]) -> Result<Vec<T>> {
        Ok(match &self.engine {
            Engine::Sqlite { read, .. } => {
                let bound = sqlite_arguments(args).map_err(sqlx::Error::Encode)?;
                sqlx::query_as_with(sql.sqlite, bound)
                    .fetch_all(read)
                    .await?
            }
            Engine::Postgres(pool) => {
                let bound = postgres_arguments(args).map_err(sqlx::Error::Encode)?;
                sqlx::query_as_with(sql.postgres, bound)
                    .fetch_all(pool)
                    .await?
            }
        })
    }

    /// The first row of a read, if there is one.
    pub async fn optional<T: Record>(&self, sql: Sql, args: &[Arg<'_>]) -> Result<Option<T>> {
        Ok(self.all(sql, args).await?.into_iter().next())
    }

    /// The one row of a read that always has one, such as a count.
    pub async fn one<T: Record>(&self, sql: Sql, args: &[Arg<'_>]) -> Result<T> {
        self.optional(sql, args)
            .await?
            .ok_or_else(|| sqlx::Error::RowNotFound.into())
    }

    /// A transaction in one trip: one statement on PostgreSQL, one or several on SQLite. Answers the rows of all of them.
    /// Nobody is woken, see [`Db::wakes`].
    pub async fn alone<T: Record>(&self, sql: Sql, args: &[Arg<'_>]) -> Result<Vec<T>> {
        self.alone_with(sql, args, Flush::Now).await
    }

    /// The same, but what was written may be lost when the machine stops before something else was flushed. On PostgreSQL
    /// the statement itself says so.
    pub(crate) async fn alone_with<T: Record>(
        &self,
        sql: Sql,
        args: &[Arg<'_>],
        flush: Flush,
    ) -> Result<Vec<T>> {
        match &self.engine {
            Engine::Postgres(_) => self.all(sql, args).await,
            Engine::Sqlite { write, .. } => {
                let bound = sqlite_arguments(args).map_err(sqlx::Error::Encode)?;
                write.alone(sql.sqlite, bound, flush).await
            }
        }
    }

    /// Proves that the database takes writes: gets the write lock, changes nothing, commits.
    pub async fn check_writable(&self) -> Result<()> {
        let mut tx = self.begin().await?;
        tx.execute(TOUCH, &[]).await?;
        tx.commit().await
    }

    /// Work arriving in queues, in this process or (on PostgreSQL) anywhere in the cluster.
    pub fn wakes(&self) -> &Arc<Wakes> {
        &self.wakes
    }
}

impl Tx {
    /// Runs a statement and tells how many rows it changed.
    pub async fn execute(&mut self, sql: Sql, args: &[Arg<'_>]) -> Result<u64> {
        let done = self.engine.execute(sql, args).await;
        self.note(done)
    }

    /// All rows of a query or of a statement with RETURNING.
    pub async fn all<T: Record>(&mut self, sql: Sql, args: &[Arg<'_>]) -> Result<Vec<T>> {
        let rows = self.engine.all(sql, args).await;
        self.note(rows)
    }

    /// Remembers an error: after one, the transaction can only be dropped, on either database.
    fn note<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            if let TxEngine::Sqlite(tx) = &mut self.engine {
                tx.failed(error);
            }
            self.failed = Some(error.clone());
        }
        result
    }

    /// The first row, if there is one.
    pub async fn optional<T: Record>(&mut self, sql: Sql, args: &[Arg<'_>]) -> Result<Option<T>> {
        Ok(self.all(sql, args).await?.into_iter().next())
    }

    /// The one row of a query that always has one.
    pub async fn one<T: Record>(&mut self, sql: Sql, args: &[Arg<'_>]) -> Result<T> {
        self.optional(sql, args)
            .await?
            .ok_or_else(|| sqlx::Error::RowNotFound.into())
    }

    /// Remembers that `queue` gets work in this transaction; its workers hear of it when it commits.
    pub fn wake(&mut self, queue: Queue) {
        self.queues.insert(queue);
    }

    /// Enqueues a job in [`Tx::commit`], after everything else. Who folds into a waiting job locks it until the commit:
    /// so the lock is short, and nobody who holds it waits for another.
    pub(in crate::kernel) fn enqueue_last(&mut self, env: &Env, job: NewJob) {
        let (_, jobs) = self.last.get_or_insert_with(|| (env.clone(), Vec::new()));
        if !jobs.iter().any(|known| known.has_key_of(&job)) {
            jobs.push(job);
        }
    }

    /// Makes the transaction durable and wakes the queues it gave work to.
    ///
    /// # Errors
    /// The error of a statement that failed before: such a transaction cannot commit. Otherwise, after an error the outcome is unknown when the connection broke during the commit; it is "not committed"
    /// in every other case. Callers repeat what they did, keyed so that a repetition changes nothing.
    pub async fn commit(mut self) -> Result<()> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if let Some((env, jobs)) = self.last.take() {
            outbox::enqueue_many(&mut self, &env, jobs).await?;
        }
        match self.engine {
            TxEngine::Sqlite(tx) => {
                tx.commit().await?;
                self.wakes.ring(&self.queues);
            }
            TxEngine::Postgres(mut tx) => {
                if !self.queues.is_empty() {
                    let names: Vec<_> = self.queues.iter().map(|queue| queue.as_str()).collect();
                    sqlx::query(NOTIFY)
                        .bind(names.join(","))
                        .execute(&mut *tx)
                        .await?;
                }
                tx.commit().await?;
            }
        }
        Ok(())
    }
}

impl TxEngine {
    async fn execute(&mut self, sql: Sql, args: &[Arg<'_>]) -> Result<u64> {
        Ok(match self {
            Self::Sqlite(tx) => {
                let bound = sqlite_arguments(args).map_err(sqlx::Error::Encode)?;
                sqlx::query_with(sql.sqlite, bound)
                    .execute(tx.connection().await?)
                    .await?
                    .rows_affected()
            }
            Self::Postgres(_) if sql.postgres == NOTHING => 0,
            Self::Postgres(tx) => {
                let bound = postgres_arguments(args).map_err(sqlx::Error::Encode)?;
                sqlx::query_with(sql.postgres, bound)
                    .execute(&mut **tx)
                    .await?
                    .rows_affected()
            }
        })
    }

    async fn all<T: Record>(&mut self, sql: Sql, args: &[Arg<'_>]) -> Result<Vec<T>> {
        Ok(match self {
            Self::Sqlite(tx) => {
                let bound = sqlite_arguments(args).map_err(sqlx::Error::Encode)?;
                sqlx::query_as_with(sql.sqlite, bound)
                    .fetch_all(tx.connection().await?)
                    .await?
            }
            Self::Postgres(tx) => {
                let bound = postgres_arguments(args).map_err(sqlx::Error::Encode)?;
                sqlx::query_as_with(sql.postgres, bound)
                    .fetch_all(&mut **tx)
                    .await?
            }
        })
    }
}
