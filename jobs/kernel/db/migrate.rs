//! The schema: the same migrations for both databases, with the same numbers, in a history table of our own.

use sqlx::migrate::{MigrateError, Migrator};

use super::{Db, Engine, Error, Result, Sql};

/// Ours, so that another program's migrations in the same database do not clash with it.
const HISTORY: &str = "memberd_migrations";

const APPLIED: Sql =
    Sql::both("SELECT version FROM memberd_migrations WHERE success ORDER BY version");
const HISTORY_EXISTS: Sql = Sql::split(
    "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'memberd_migrations'",
    "SELECT count(*) FROM pg_tables WHERE schemaname = ANY (current_schemas(false)) AND tablename = 'memberd_migrations'",
);

/// What the database has and what this binary knows.
#[derive(Clone, Debug)]
pub struct MigrationState {
    /// Newest version in the database; 0 for an empty one.
    pub applied: i64,
    /// Newest version this binary knows.
    pub known: i64,
    /// What `memberd migrate up` would run, in order.
    pub pending: Vec<Pending>,
}

/// One migration that has not run yet.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub description: String,
    /// Its statements.
    pub sql: String,
}

impl Db {
    /// Compares the database's schema with this binary's.
    pub async fn migration_state(&self) -> Result<MigrationState> {
        let (exists,): (i64,) = self.one(HISTORY_EXISTS, &[]).await?;
        let versions: Vec<(i64,)> = if exists == 0 {
            Vec::new()
        } else {
            self.all(APPLIED, &[]).await?
        };
        let applied = versions.last().map_or(0, |row| row.0);
        let migrator = self.migrator();
        Ok(MigrationState {
            applied,
            known: migrator.iter().map(|m| m.version).max().unwrap_or(0),
            pending: migrator
                .iter()
                .filter(|m| !versions.contains(&(m.version,)))
                .map(|m| Pending {
                    version: m.version,
                    description: m.description.to_string(),
                    sql: m.sql.as_str().to_owned(),
                })
                .collect(),
        })
    }

    /// Refuses a schema that is not exactly this binary's.
    ///
    /// # Errors
    /// [`Error::SchemaNewer`] or [`Error::SchemaOlder`].
    pub async fn check_schema(&self) -> Result<()> {
        let state = self.migration_state().await?;
        let (found, known) = (state.applied, state.known);
        if found > known {
            return Err(Error::SchemaNewer { found, known });
        }
        if !state.pending.is_empty() {
            return Err(Error::SchemaOlder { found, known });
        }
        Ok(())
    }

    /// Runs what is pending. Two processes at once are safe: PostgreSQL has a lock, and on SQLite, where each migration
    /// is a transaction, the loser of a race finds it done.
    ///
    /// # Errors
    /// [`Error::SchemaNewer`] when the database is ahead of this binary.
    pub async fn migrate(&self) -> Result<()> {
        let mut state = self.migration_state().await?;
        loop {
            if state.applied > state.known {
                return Err(Error::SchemaNewer {
                    found: state.applied,
                    known: state.known,
                });
            }
            let Err(error) = self.run_migrations().await else {
                return Ok(());
            };
            let left = self.migration_state().await?;
            // Each round has fewer to do, so this ends.
            if left.pending.len() >= state.pending.len() {
                return Err(error);
            }
            state = left;
        }
    }

    async fn run_migrations(&self) -> Result<()> {
        let migrator = self.migrator();
        match &self.engine {
            Engine::Sqlite { write, .. } => migrator
                .run(&mut write.connect().await?)
                .await
                .map_err(flatten),
            Engine::Postgres(pool) => migrator.run(pool).await.map_err(flatten),
        }
    }

    fn migrator(&self) -> Migrator {
        let mut migrator = match self.engine {
            Engine::Sqlite { .. } => sqlx::migrate!("../migrations/sqlite"),
            Engine::Postgres(_) => sqlx::migrate!("../migrations/postgres"),
        };
        migrator.dangerous_set_table_name(HISTORY);
        migrator
    }
}

fn flatten(error: MigrateError) -> Error {
    sqlx::Error::Migrate(Box::new(error)).into()
}
