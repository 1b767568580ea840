//! A database that belongs to one test, with everything around it that a job needs.

use std::{
    collections::BTreeMap,
    ops::Deref,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;

use super::{cluster::Server, postgres, receivers::FakeReceivers, stripe::FakeStripe};
use crate::{
    args,
    kernel::{
        Chance, Clock, Env, Settings, TestClock, Timestamp,
        db::{Db, Options, Plans, Record, Sql},
        outbox::{self, Enqueued, NewJob},
        ports::Organization,
    },
};

/// When every test begins: 2026-01-15T10:30:00Z.
pub const START: Timestamp = Timestamp(1_768_473_000_000);

/// Connections of one handle; enough for tests that hold several transactions open.
const CONNECTIONS: u32 = 12;

/// How long a test waits for another connection to wait.
const PATIENCE: Duration = Duration::from_secs(20);

const NEW_ORGANIZATION: Sql =
    Sql::both("INSERT INTO organizations (id, name, created_at) VALUES ($1, $2, $3)");

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file in a folder of its own, in WAL mode as in production.
    Sqlite,
    /// A database of the test server.
    Postgres,
}

#[derive(Debug)]
enum Home {
    Sqlite(TempDir),
    Postgres(postgres::Database),
}

/// A fresh, migrated database with organization `default`; it dereferences to an [`Env`]. It vanishes when dropped.
#[derive(Debug)]
pub struct TestDb {
    /// What jobs get.
    pub env: Env,
    /// The clock in `env`; it stands at [`START`] until it is moved.
    pub clock: Arc<TestClock>,
    /// The Stripe in `env`.
    pub stripe: Arc<FakeStripe>,
    /// The receivers in `env`.
    pub receivers: Arc<FakeReceivers>,
    seeds: AtomicU64,
    // Dropped last: the connections above need it.
    home: Home,
}

impl Deref for TestDb {
    type Target = Env;

    fn deref(&self) -> &Env {
        &self.env
    }
}

impl TestDb {
    /// On SQLite.
    pub async fn sqlite() -> Self {
        Self::new(Engine::Sqlite).await
    }

    /// On PostgreSQL.
    pub async fn postgres() -> Self {
        Self::new(Engine::Postgres).await
    }

    /// On a PostgreSQL server of the test's own.
    pub async fn on(server: &Server) -> Self {
        let home = Home::Postgres(postgres::create_on(server.url()).await);
        Self::in_home(home).await.with_schema().await
    }

    /// On either.
    pub async fn new(engine: Engine) -> Self {
        Self::empty(engine).await.with_schema().await
    }

    async fn with_schema(self) -> Self {
        self.env
            .db
            .migrate()
            .await
            .unwrap_or_else(|error| panic!("migrating: {error}"));
        let now = self.now();
        for (id, organization) in &self.settings.organizations {
            self.execute(NEW_ORGANIZATION, args![id, &organization.name, now])
                .await;
        }
        self
    }

    /// Without a schema on SQLite; PostgreSQL's copies have one from the start.
    pub async fn empty(engine: Engine) -> Self {
        let home = match engine {
            Engine::Sqlite => Home::Sqlite(
                tempfile::Builder::new()
                    .prefix("memberd-test-")
                    .tempdir()
                    .unwrap_or_else(|error| panic!("a folder for SQLite: {error}")),
            ),
            Engine::Postgres => Home::Postgres(postgres::create().await),
        };
        Self::in_home(home).await
    }

    async fn in_home(home: Home) -> Self {
        let clock = Arc::new(TestClock::at(START));
        let stripe = Arc::new(FakeStripe::new(Arc::clone(&clock)));
        let receivers = Arc::new(FakeReceivers::default());
        let env = Env {
            db: open(&url(&home)).await,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            chance: Arc::new(Chance::seeded(1)),
            stripe: Arc::clone(&stripe) as _,
            receivers: Arc::clone(&receivers) as _,
            settings: Arc::new(settings()),
        };
        Self {
            env,
            clock,
            stripe,
            receivers,
            seeds: AtomicU64::new(2),
            home,
        }
    }

    /// Which database it is.
    pub const fn engine(&self) -> Engine {
        match self.home {
            Home::Sqlite(_) => Engine::Sqlite,
            Home::Postgres(_) => Engine::Postgres,
        }
    }

    /// Its `database.url`.
    pub fn url(&self) -> String {
        url(&self.home)
    }

    /// SQLite's file. Panics on PostgreSQL.
    pub fn file(&self) -> PathBuf {
        match &self.home {
            Home::Sqlite(folder) => folder.path().join("memberd.db"),
            Home::Postgres(_) => panic!("PostgreSQL has no file"),
        }
    }

    /// The same world with connections and ids of its own, as another process of the cluster would have.
    pub async fn node(&self) -> Env {
        let seed = self.seeds.fetch_add(1, Ordering::Relaxed);
        Env {
            db: open(&self.url()).await,
            chance: Arc::new(Chance::seeded(seed)),
            ..self.env.clone()
        }
    }

    /// Closes all connections and opens the database again, as a restart does.
    pub async fn reopen(mut self) -> Self {
        self.env.db.close().await;
        self.env = self.node().await;
        self
    }

    /// Changes the settings.
    #[must_use]
    pub fn with_settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::clone(&self.env.settings);
        change(&mut settings);
        self.env.settings = Arc::new(settings);
        self
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Runs one statement in a transaction of its own; tells how many rows it changed.
    pub async fn execute(&self, sql: Sql, args: &[crate::kernel::db::Arg<'_>]) -> u64 {
        let done = async {
            let mut tx = self.env.db.begin().await?;
            let rows = tx.execute(sql, args).await?;
            tx.commit().await?;
            Ok::<_, crate::kernel::db::Error>(rows)
        };
        done.await
            .unwrap_or_else(|error| panic!("{sql:?}: {error}"))
    }

    /// The rows of a read.
    pub async fn rows<T: Record>(&self, sql: Sql, args: &[crate::kernel::db::Arg<'_>]) -> Vec<T> {
        let rows = self.env.db.all(sql, args).await;
        rows.unwrap_or_else(|error| panic!("{sql:?}: {error}"))
    }

    /// How many rows `table` has, seen by a connection of its own; a condition may follow the table's name.
    pub async fn count(&self, table: &str) -> i64 {
        let sql = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let counted = async {
            match self.engine() {
                Engine::Sqlite => {
                    let mut file = SqliteConnection::connect(&self.url()).await?;
                    sqlx::query_scalar(sql).fetch_one(&mut file).await
                }
                Engine::Postgres => {
                    let mut server = PgConnection::connect(&self.url()).await?;
                    sqlx::query_scalar(sql).fetch_one(&mut server).await
                }
            }
        };
        counted
            .await
            .unwrap_or_else(|error| panic!("counting {table}: {error}"))
    }

    /// Waits until a connection of PostgreSQL waits for a lock.
    ///
    /// # Panics
    /// When none does for a while.
    pub async fn until_one_waits(&self) {
        let deadline = Instant::now() + PATIENCE;
        let waits =
            "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while self.count(waits).await == 0 {
            assert!(Instant::now() < deadline, "nobody waits for a lock");
        }
    }

    /// Enqueues one job in a transaction of its own.
    pub async fn enqueue(&self, job: NewJob) -> Enqueued {
        enqueue(&self.env, job).await
    }
}

/// Enqueues one job in a transaction of its own.
async fn enqueue(env: &Env, job: NewJob) -> Enqueued {
    let done = async {
        let mut tx = env.db.begin().await?;
        let enqueued = outbox::enqueue(&mut tx, env, job).await?;
        tx.commit().await?;
        Ok::<_, crate::kernel::db::Error>(enqueued)
    };
    done.await
        .unwrap_or_else(|error| panic!("enqueuing: {error}"))
}

fn settings() -> Settings {
    let organization = Organization {
        name: "Test".to_owned(),
        account: "acct_test".to_owned(),
        has_stripe: true,
        ..Organization::default()
    };
    Settings {
        organizations: BTreeMap::from([("default".to_owned(), organization)]),
        ..Settings::default()
    }
}

fn url(home: &Home) -> String {
    match home {
        Home::Sqlite(folder) => format!("sqlite:{}", folder.path().join("memberd.db").display()),
        Home::Postgres(database) => database.url.clone(),
    }
}

async fn open(url: &str) -> Db {
    let options = Options {
        url: url.to_owned(),
        max_connections: CONNECTIONS,
        statement_timeout: Duration::from_mins(1),
        plans: Plans::Lookups,
    };
    Db::open(&options)
        .await
        .unwrap_or_else(|error| panic!("opening {url}: {error}"))
}
