//! What can go wrong with the database, as callers need to tell it apart.

use std::sync::Arc;

/// A database error.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// A unique constraint refused the row.
    #[error("already there: {0}")]
    Conflict(String),
    /// A lock, deadlock, timeout or serialization conflict: the same transaction may succeed when tried again.
    #[error("the database is busy: {0}")]
    Busy(String),
    /// The database cannot be reached or is out of space; nothing was changed by this call.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The job's lease was lost to another node, so its transaction must not commit.
    #[error("the job's lease is lost: another node runs it now")]
    LeaseLost,
    /// There is no database where one is expected.
    #[error(
        "there is no database {0}: is it the right --config, and the right folder? `memberd migrate up` makes it"
    )]
    NoDatabase(String),
    /// The schema is newer than this binary.
    #[error(
        "the database has schema {found}, this memberd knows {known}: install the newer memberd that made it, or restore a backup"
    )]
    SchemaNewer {
        /// Version found in the database.
        found: i64,
        /// Newest version this binary knows.
        known: i64,
    },
    /// The schema is older than this binary.
    #[error(
        "the database has schema {found}, this memberd needs {known}: run `memberd migrate up`"
    )]
    SchemaOlder {
        /// Version found in the database.
        found: i64,
        /// Newest version this binary knows.
        known: i64,
    },
    /// Anything else: a wrong statement, a broken invariant, a corrupt file.
    #[error("database error: {0}")]
    Other(Arc<sqlx::Error>),
}

/// SQLite's primary result codes that mean "not now": BUSY and LOCKED.
const SQLITE_BUSY: [i32; 2] = [5, 6];
/// SQLite's primary result codes after which its transaction is gone: NOMEM, IOERR, CORRUPT, FULL.
const SQLITE_LOST: [i32; 4] = [7, 10, 11, 13];
/// PostgreSQL: serialization failure, deadlock, lock not available, statement timeout.
const POSTGRES_BUSY: [&str; 4] = ["40001", "40P01", "55P03", "57014"];
/// PostgreSQL: classes for connection failures, shutdown, and resources (disk full, too many connections); a server that
/// takes no writes; a transaction that it ended because it was idle.
const POSTGRES_AWAY: [&str; 5] = ["08", "57P", "53", "25006", "25P03"];

impl Error {
    /// Why the database at `place`, which never holds a password, cannot be opened.
    pub(super) fn at(self, place: &str) -> Self {
        match self {
            Self::Unavailable(why) => Self::Unavailable(format!("{place}: {why}")),
            Self::Other(error) => Self::Unavailable(format!("{place}: {error}")),
            other => other,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(db) => {
                let code = db.code().unwrap_or_default();
                let sqlite = code
                    .parse::<i32>()
                    .ok()
                    .filter(|_| code.len() < 5)
                    .map(|c| c & 0xff);
                if db.is_unique_violation() {
                    Self::Conflict(db.constraint().unwrap_or(db.message()).to_owned())
                } else if sqlite.is_some_and(|code| SQLITE_BUSY.contains(&code))
                    || POSTGRES_BUSY.contains(&&*code)
                {
                    Self::Busy(db.message().to_owned())
                } else if sqlite.is_some_and(|code| SQLITE_LOST.contains(&code))
                    || POSTGRES_AWAY
                        .iter()
                        .any(|class| sqlite.is_none() && code.starts_with(class))
                {
                    Self::Unavailable(db.message().to_owned())
                } else {
                    Self::Other(Arc::new(error))
                }
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error.to_string()),
            _ => Self::Other(Arc::new(error)),
        }
    }
}
