//! The engines that are measured, each a process of its own on a fresh database.

use std::{
    fs::File,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use memberd_jobs::{
    kernel::db::{Db, Options, Plans, Sql},
    testing::Server,
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;

/// The signing secret of the endpoint.
pub(crate) const SECRET: &str = "whsec_bench";
/// The binary that is measured.
const MEMBERD: &str = env!("CARGO_BIN_EXE_memberd");
/// Longer than any of them takes for anything here.
const PATIENCE: Duration = Duration::from_mins(5);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(10);
/// Clock ticks a second in `/proc/<pid>/stat`: 100 on every Linux that Rust builds for.
const TICKS_PER_SECOND: f64 = 100.0;

/// An engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Memberd,
    MemberdOnSqlite,
    Supabase,
    Stripe,
}

impl Engine {
    /// Its name on the page.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Memberd => "memberd",
            Self::MemberdOnSqlite => "memberd on SQLite",
            Self::Supabase => "@supabase/stripe-sync-engine 0.48.5",
            Self::Stripe => "@stripe/sync-engine 1.0.32",
        }
    }

    /// Whether it is ours.
    pub(crate) const fn is_memberd(self) -> bool {
        matches!(self, Self::Memberd | Self::MemberdOnSqlite)
    }

    /// How many of a day's renewals are in its tables.
    const fn renewed(self) -> &'static str {
        if self.is_memberd() {
            "SELECT (SELECT count(*) FROM customers WHERE balance <> 0)
                + (SELECT count(*) FROM subscriptions WHERE latest_invoice_id LIKE '%\\_1' ESCAPE '\\')
                + (SELECT count(*) FROM invoices)"
        } else {
            "SELECT (SELECT count(*) FROM stripe.customers WHERE balance <> 0)
                + (SELECT count(*) FROM stripe.subscriptions WHERE latest_invoice LIKE '%\\_1' ESCAPE '\\')
                + (SELECT count(*) FROM stripe.invoices)"
        }
    }

    /// How many customers and subscriptions are in its tables; ours count when their members are worked out.
    const fn filled(self) -> &'static str {
        if self.is_memberd() {
            "SELECT (SELECT count(*) FROM subscriptions) + (SELECT count(*) FROM members WHERE status = 'active')"
        } else {
            "SELECT (SELECT count(*) FROM stripe.customers) + (SELECT count(*) FROM stripe.subscriptions)"
        }
    }
}

/// Where everything is.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) server: Server,
    /// The folders of the peers.
    pub(crate) peers: PathBuf,
    /// The port of the fake Stripe.
    pub(crate) stripe: u16,
    /// The description of its objects.
    pub(crate) description: String,
}

/// An engine that runs. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Running {
    engine: Engine,
    child: Child,
    port: u16,
    db: Db,
    folder: TempDir,
    pub(crate) http: reqwest::Client,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// Starts an engine on a fresh database and waits until it answers.
    pub(crate) async fn start(engine: Engine, site: &Site) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let url = match engine {
            Engine::MemberdOnSqlite => {
                format!("sqlite:{}", folder.path().join("bench.db").display())
            }
            _ => fresh(&site.server).await,
        };
        let mut command = if engine.is_memberd() {
            memberd(folder.path(), port, &url, site)
        } else {
            peer(engine, folder.path(), port, &url, site)
        };
        let log = File::create(folder.path().join("log")).unwrap();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let ready = format!("http://127.0.0.1:{port}/readyz");
        let begun = Instant::now();
        while http.get(&ready).send().await.is_err() {
            let log = || std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            let lives = child.try_wait().unwrap().is_none();
            assert!(
                lives && begun.elapsed() < PATIENCE,
                "{} does not start: {}",
                engine.name(),
                log()
            );
            tokio::time::sleep(LOOK).await;
        }
        let options = Options {
            url,
            max_connections: 1,
            statement_timeout: PATIENCE,
            plans: Plans::Lookups,
        };
        let db = Db::open(&options).await.unwrap();
        Self {
            engine,
            child,
            port,
            db,
            folder,
            http,
        }
    }

    /// Where events go.
    pub(crate) fn webhooks(&self) -> String {
        let path = if self.engine.is_memberd() {
            "/webhooks/stripe"
        } else {
            "/webhooks"
        };
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Waits until everything that was accepted is applied: the peers answer afterwards.
    pub(crate) async fn applied(&self) {
        if self.engine.is_memberd() {
            self.until(
                "SELECT count(*) FROM stripe_events WHERE state = 'new'",
                |left| left == 0,
            )
            .await;
        }
    }

    /// How many of a day's renewals arrived.
    pub(crate) async fn renewed(&self) -> i64 {
        self.count(self.engine.renewed()).await
    }

    /// Fills its tables with `objects` customers and subscriptions.
    pub(crate) async fn fill(&self, objects: i64) -> Duration {
        let begun = Instant::now();
        if self.engine.is_memberd() {
            let config = self.folder.path().join("memberd.toml");
            let command = Command::new(MEMBERD)
                .args(["sync", "backfill", "--config"])
                .arg(config)
                .env_clear()
                .output()
                .unwrap();
            assert!(
                command.status.success(),
                "{}",
                String::from_utf8_lossy(&command.stderr)
            );
        } else {
            let url = format!("http://127.0.0.1:{}/fill", self.port);
            let answer = self.http.post(url).send().await.unwrap();
            let status = answer.status();
            assert!(
                status == 200,
                "{}: {}",
                self.engine.name(),
                answer.text().await.unwrap()
            );
        }
        self.until(self.engine.filled(), |there| there == objects)
            .await;
        begun.elapsed()
    }

    async fn until(&self, sql: &'static str, done: impl Fn(i64) -> bool) {
        let begun = Instant::now();
        loop {
            let count = self.count(sql).await;
            if done(count) {
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{}: {sql}: {count}",
                self.engine.name()
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn count(&self, sql: &'static str) -> i64 {
        let (count,): (i64,) = self.db.one(Sql::both(sql), &[]).await.unwrap();
        count
    }

    /// Seconds of CPU that its process has used.
    pub(crate) fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The second field is the name in brackets, which may hold spaces.
        let fields: Vec<&str> = stat
            .rsplit_once(')')
            .unwrap()
            .1
            .split_whitespace()
            .collect();
        let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
        (ticks(11) + ticks(12)) / TICKS_PER_SECOND
    }

    /// The most memory that it had, in MiB.
    pub(crate) fn memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        line.split_whitespace()
            .next()
            .unwrap()
            .parse::<f64>()
            .unwrap()
            / 1_024.0
    }
}

/// A new database of the server.
async fn fresh(server: &Server) -> String {
    let mut admin = PgConnection::connect(server.url()).await.unwrap();
    for sql in [
        "DROP DATABASE IF EXISTS bench WITH (FORCE)",
        "CREATE DATABASE bench",
        "CHECKPOINT",
    ] {
        sqlx::query(AssertSqlSafe(sql))
            .execute(&mut admin)
            .await
            .unwrap();
    }
    format!("{}/bench", server.url().rsplit_once('/').unwrap().0)
}

/// The daemon without schedules, whose polls would come between; its budget is lifted.
fn memberd(folder: &Path, port: u16, url: &str, site: &Site) -> Command {
    let config = folder.join("memberd.toml");
    let text = format!(
        r#"[server]
listen = "127.0.0.1:{port}"
[database]
url = "{url}"
migrate = "auto"
[log]
filter = "info"
[stripe]
secret_key = "sk_test_bench"
webhook_secrets = ["{SECRET}"]
api_base = "http://127.0.0.1:{}"
rate_limit = 1000
"#,
        site.stripe
    );
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new(MEMBERD);
    command
        .args(["serve", "--roles", "api,worker", "--config"])
        .arg(config)
        .env_clear();
    command
}

fn peer(engine: Engine, folder: &Path, port: u16, url: &str, site: &Site) -> Command {
    let script = match engine {
        Engine::Stripe => site.peers.join("stripe/stripe.cjs"),
        _ => site.peers.join("supabase/supabase.cjs"),
    };
    let description = folder.join("stripe.json");
    std::fs::write(&description, &site.description).unwrap();
    let mut command = Command::new("node");
    command
        .arg(script)
        .env("DATABASE_URL", url)
        .env("PORT", port.to_string())
        .env("STRIPE_PORT", site.stripe.to_string())
        .env("SECRET", SECRET)
        .env("SPEC", description);
    command
}
