//! SQLite's one writer, with group commit.
//!
//! SQLite has one write lock, and a durable commit costs a flush to disk. Transactions that wait for the writer
//! therefore share one physical transaction: each runs in a savepoint of its own, and one COMMIT makes all of
//! them durable together. Nobody is told "committed" before that COMMIT has returned.
//!
//! The order is the queue of the mutex, which is fair: the first transaction of a group rings for the committer,
//! which queues behind everybody who is waiting by then. So a lone transaction commits at once, a crowd commits together,
//! and nothing has to be tuned.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use sqlx::{
    AssertSqlSafe, Connection as _, SqliteConnection,
    sqlite::{SqliteArguments, SqliteConnectOptions},
};
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc, oneshot};

use super::{Flush, error::Error, sql::Record};

type Outcome = Result<(), Error>;

/// The write connection and the group of transactions that it has open.
#[derive(Debug)]
pub(super) struct Writer {
    options: SqliteConnectOptions,
    /// `None` after the connection broke, until the next transaction opens a new one.
    connection: Option<SqliteConnection>,
    /// Whether a transaction is open and its group takes members.
    open: bool,
    /// Whether a BEGIN was sent whose answer nobody waited for, because its caller was cancelled.
    begun: bool,
    /// Whether a savepoint was left by a transaction that was dropped before its end.
    abandoned: bool,
    /// SQLite has rolled back by itself (disk full, I/O error): the group must not commit.
    poisoned: Option<Error>,
    /// Transactions that wait for the group's COMMIT.
    waiting: Vec<oneshot::Sender<Outcome>>,
}

/// A handle to the writer; clones share it.
#[derive(Clone, Debug)]
pub(super) struct WriteQueue {
    writer: Arc<Mutex<Writer>>,
    /// How many wait for the writer.
    crowd: Arc<AtomicUsize>,
    /// Rings for the committer, which ends when the last handle is gone.
    committer: mpsc::Sender<()>,
}

/// One who waits for the writer, and is counted as long as she does.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn among(crowd: &'a AtomicUsize) -> Self {
        crowd.fetch_add(1, Ordering::Relaxed);
        Self(crowd)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One transaction: a savepoint within the group.
#[derive(Debug)]
pub(super) struct SqliteTx {
    writer: Option<OwnedMutexGuard<Writer>>,
    committer: mpsc::Sender<()>,
}

impl WriteQueue {
    /// Opens the write connection and starts the committer.
    pub(super) async fn open(options: SqliteConnectOptions) -> Result<Self, Error> {
        let connection = connect(&options).await?;
        let writer = Arc::new(Mutex::new(Writer {
            options,
            connection: Some(connection),
            open: false,
            begun: false,
            abandoned: false,
            poisoned: None,
            waiting: Vec::new(),
        }));
        let (committer, rung) = mpsc::channel(1);
        let task = commit_groups(Arc::clone(&writer), rung);
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the last handle, not at shutdown"
        )]
        tokio::spawn(task);
        let crowd = Arc::default();
        Ok(Self {
            writer,
            crowd,
            committer,
        })
    }

    /// A connection of its own, for migrations.
    pub(super) async fn connect(&self) -> Result<SqliteConnection, Error> {
        let options = self.writer.lock().await.options.clone();
        Ok(SqliteConnection::connect_with(&options).await?)
    }

    /// Waits for the writer. The caller may be cancelled at any later step: then the result is dropped and the committer
    /// tidies up.
    async fn enter(&self) -> SqliteTx {
        let waiting = Waiting::among(&self.crowd);
        let writer = Arc::clone(&self.writer).lock_owned().await;
        drop(waiting);
        SqliteTx {
            writer: Some(writer),
            committer: self.committer.clone(),
        }
    }

    /// Runs statements as one transaction in one trip to the connection's thread. Whoever finds the writer free and nobody
    /// behind her commits in the same trip; else the transaction joins the group like any other.
    pub(super) async fn alone<T: Record>(
        &self,
        body: &'static str,
        args: SqliteArguments,
        flush: Flush,
    ) -> Result<Vec<T>, Error> {
        let mut tx = self.enter().await;
        let writer = tx.writer_mut();
        writer.clean().await;
        writer.undo().await;
        let alone = !writer.open && self.crowd.load(Ordering::Relaxed) == 0;
        if alone {
            // As long as this is set, whatever the connection has open is rolled back by the next who comes.
            writer.begun = true;
            let text = match flush {
                Flush::Now => format!("BEGIN IMMEDIATE; {body}; COMMIT"),
                Flush::Later => {
                    format!(
                        "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE; {body}; COMMIT; {FLUSH_ALL}"
                    )
                }
            };
            let rows = writer.fetch(text, args).await?;
            writer.begun = false;
            return Ok(rows);
        }
        writer.start().await?;
        writer.abandoned = true;
        let text = format!("SAVEPOINT member; {body}; RELEASE member");
        let rows = writer.fetch(text, args).await;
        if let Err(error) = &rows {
            tx.failed(error);
        }
        let rows = rows?;
        tx.released().await?;
        Ok(rows)
    }

    /// Waits for the writer and opens a savepoint.
    pub(super) async fn begin(&self) -> Result<SqliteTx, Error> {
        let mut tx = self.enter().await;
        let writer = tx.writer_mut();
        writer.clean().await;
        writer.start().await?;
        writer.abandoned = true;
        writer.execute("SAVEPOINT member").await?;
        Ok(tx)
    }
}

/// Every commit is durable: what the connection is opened with.
const FLUSH_ALL: &str = "PRAGMA synchronous = FULL";
/// Where the parts of a round of the queue hand rows to each other.
const SCRATCH: &str = "CREATE TEMP TABLE round (ended INTEGER, id TEXT)";

async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection, Error> {
    let mut connection = SqliteConnection::connect_with(options).await?;
    sqlx::query(SCRATCH).execute(&mut connection).await?;
    Ok(connection)
}

impl Writer {
    async fn connection(&mut self) -> Result<&mut SqliteConnection, Error> {
        if self.connection.is_none() {
            self.connection = Some(connect(&self.options).await?);
        }
        self.connection
            .as_mut()
            .ok_or_else(|| Error::Unavailable("no write connection".to_owned()))
    }

    async fn execute(&mut self, sql: &'static str) -> Result<(), Error> {
        sqlx::query(sql).execute(self.connection().await?).await?;
        Ok(())
    }

    async fn fetch<T: Record>(
        &mut self,
        text: String,
        args: SqliteArguments,
    ) -> Result<Vec<T>, Error> {
        let query = sqlx::query_as_with(AssertSqlSafe(text), args);
        Ok(query.fetch_all(self.connection().await?).await?)
    }

    /// Undoes what a dropped transaction left.
    async fn clean(&mut self) {
        if !self.abandoned {
            return;
        }
        // It fails when the savepoint is gone: released by a commit that was cancelled just then, or lost
        // with the whole group. The first is a commit whose caller does not know, the second shows at COMMIT.
        if self.execute("ROLLBACK TO member").await.is_ok() {
            let _ = self.execute("RELEASE member").await;
        }
        // Not earlier: who called this may be cancelled in between, and the next must do it again.
        self.abandoned = false;
    }

    /// Opens a group unless one is open.
    async fn start(&mut self) -> Result<(), Error> {
        self.undo().await;
        if !self.open {
            self.begun = true;
            let begun = self.execute("BEGIN IMMEDIATE").await;
            self.begun = false;
            begun?;
            self.open = true;
        }
        Ok(())
    }

    /// Ends what cannot commit: a group that SQLite has rolled back, or a BEGIN that nobody waited for.
    async fn undo(&mut self) {
        if let Some(error) = &self.poisoned {
            let error = error.clone();
            self.tell(&Err(error));
        } else if !self.begun {
            return;
        }
        self.roll_back().await;
        self.open = false;
        self.begun = false;
        self.poisoned = None;
    }

    async fn roll_back(&mut self) {
        // "no transaction is active" is what we want; anything else ends with the connection. What is rolled back may
        // have been a transaction that was to be flushed later.
        if self.execute("ROLLBACK").await.is_err() || self.execute(FLUSH_ALL).await.is_err() {
            self.connection = None;
        }
    }

    fn tell(&mut self, outcome: &Outcome) {
        for member in self.waiting.drain(..) {
            let _ = member.send(outcome.clone());
        }
    }

    /// Commits the group and tells its members. Only the committer does it, because nobody cancels that.
    async fn finish(&mut self) {
        self.undo().await;
        if !self.open {
            return;
        }
        let outcome = self.execute("COMMIT").await;
        self.open = false;
        if outcome.is_err() {
            self.roll_back().await;
        }
        self.tell(&outcome);
    }
}

impl SqliteTx {
    #[expect(
        clippy::expect_used,
        reason = "the guard leaves only in commit and drop, which end the transaction"
    )]
    fn writer_mut(&mut self) -> &mut Writer {
        self.writer.as_mut().expect("the transaction is open")
    }

    /// The connection to run statements on.
    pub(super) async fn connection(&mut self) -> Result<&mut SqliteConnection, Error> {
        let writer = self.writer_mut();
        // Without a transaction each statement would commit by itself.
        if let Some(error) = &writer.poisoned {
            return Err(error.clone());
        }
        writer.connection().await
    }

    /// Remembers an error after which SQLite's transaction no longer exists.
    pub(super) fn failed(&mut self, error: &Error) {
        if matches!(error, Error::Unavailable(_)) {
            self.writer_mut().poisoned = Some(error.clone());
        }
    }

    /// Ends the savepoint and waits until its group is durable.
    pub(super) async fn commit(mut self) -> Result<(), Error> {
        let writer = self.writer_mut();
        if let Some(error) = &writer.poisoned {
            return Err(error.clone());
        }
        writer.execute("RELEASE member").await?;
        self.released().await
    }

    /// The savepoint is released: waits until its group is durable.
    async fn released(mut self) -> Result<(), Error> {
        let writer = self.writer_mut();
        writer.abandoned = false;
        let (told, committed) = oneshot::channel();
        writer.waiting.push(told);
        drop(self);
        committed
            .await
            .unwrap_or_else(|_| Err(Error::Unavailable("the writer is gone".to_owned())))
    }
}

/// Frees the writer and sees to it that the group ends, whether or not this transaction committed.
impl Drop for SqliteTx {
    fn drop(&mut self) {
        self.writer = None;
        // A full bell is rung already.
        let _ = self.committer.try_send(());
    }
}

async fn commit_groups(writer: Arc<Mutex<Writer>>, mut rung: mpsc::Receiver<()>) {
    while rung.recv().await.is_some() {
        let mut writer = writer.lock().await;
        writer.clean().await;
        writer.finish().await;
    }
}
