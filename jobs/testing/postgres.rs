//! A database of its own for each test, on a test server.
//!
//! One database is migrated; the others are copies of it, which takes PostgreSQL a few milliseconds.

use std::{
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::OnceCell;

use super::cluster;
use crate::kernel::db::{Db, Options, Plans};

/// Key of the advisory lock under which the template database is made.
const TEMPLATE_LOCK: i64 = 0x6d65_6d62_6572_6400;

/// A database of one test; dropped with it.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) url: String,
    name: String,
    admin_url: String,
}

static TEMPLATE: OnceCell<String> = OnceCell::const_new();
static COUNT: AtomicU32 = AtomicU32::new(0);

/// A fresh, migrated database on the server that tests share.
pub(super) async fn create() -> Database {
    let admin_url = cluster::admin_url().await;
    let template = TEMPLATE.get_or_init(|| make_template(admin_url)).await;
    copy(admin_url, template).await
}

/// A fresh, migrated database on another server.
pub(super) async fn create_on(admin_url: &str) -> Database {
    let template = make_template(admin_url).await;
    copy(admin_url, &template).await
}

async fn copy(admin_url: &str, template: &str) -> Database {
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("memberd_test_{}_{number}", process::id());
    let mut admin = connect(admin_url).await;
    run(
        &mut admin,
        format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
    )
    .await;
    run(
        &mut admin,
        format!("CREATE DATABASE {name} TEMPLATE {template}"),
    )
    .await;
    Database {
        url: with_database(admin_url, &name),
        name,
        admin_url: admin_url.to_owned(),
    }
}

impl Drop for Database {
    /// The test's runtime may be ending, so the statement runs in a thread with one of its own.
    fn drop(&mut self) {
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let url = self.admin_url.clone();
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            if let Ok(runtime) = runtime {
                runtime.block_on(async {
                    if let Ok(mut admin) = PgConnection::connect(&url).await {
                        let _ = sqlx::query(AssertSqlSafe(statement))
                            .execute(&mut admin)
                            .await;
                    }
                });
            }
        });
        let _ = dropping.join();
    }
}

/// Migrates one database that all others are copies of. Its name tells the migrations, so that a server that is used
/// again by a newer memberd gets a newer template.
async fn make_template(admin_url: &str) -> String {
    let mut digest = Sha256::new();
    for migration in sqlx::migrate!("../migrations/postgres").iter() {
        digest.update(&migration.checksum);
    }
    let name = format!("memberd_template_{}", &hex::encode(digest.finalize())[..16]);
    let mut admin = connect(admin_url).await;
    // Freed when the connection closes.
    sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(TEMPLATE_LOCK)
        .execute(&mut admin)
        .await
        .unwrap_or_else(|error| panic!("the template's lock: {error}"));
    let (there,): (bool,) =
        sqlx::query_as("SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)")
            .bind(&name)
            .fetch_one(&mut admin)
            .await
            .unwrap_or_else(|error| panic!("looking for the template: {error}"));
    if !there {
        let unfinished = format!("{name}_new");
        run(
            &mut admin,
            format!("DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)"),
        )
        .await;
        run(&mut admin, format!("CREATE DATABASE {unfinished}")).await;
        let db = open(&with_database(admin_url, &unfinished)).await;
        db.migrate()
            .await
            .unwrap_or_else(|error| panic!("migrating the template: {error}"));
        db.close().await;
        run(
            &mut admin,
            format!("ALTER DATABASE {unfinished} RENAME TO {name}"),
        )
        .await;
    }
    let _ = admin.close().await;
    name
}

async fn open(url: &str) -> Db {
    let options = Options {
        url: url.to_owned(),
        max_connections: 1,
        statement_timeout: Duration::from_mins(1),
        plans: Plans::Lookups,
    };
    Db::open(&options)
        .await
        .unwrap_or_else(|error| panic!("opening {url}: {error}"))
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url)
        .await
        .unwrap_or_else(|error| panic!("connecting to the test server: {error}"))
}

async fn run(admin: &mut PgConnection, statement: String) {
    sqlx::query(AssertSqlSafe(statement.clone()))
        .execute(admin)
        .await
        .unwrap_or_else(|error| panic!("{statement}: {error}"));
}

/// `url` with another database name.
fn with_database(url: &str, name: &str) -> String {
    let (base, query) = url
        .split_once('?')
        .map_or((url, ""), |(base, query)| (base, query));
    let start = base.find("://").map_or(0, |at| at + 3);
    let end = base[start..].find('/').map_or(base.len(), |at| start + at);
    let query = if query.is_empty() {
        String::new()
    } else {
        format!("?{query}")
    };
    format!("{}/{name}{query}", &base[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gets_another_database() {
        for (url, other) in [
            (
                "postgres://u:p@h:1/a?sslmode=disable",
                "postgres://u:p@h:1/b?sslmode=disable",
            ),
            ("postgres://h/a", "postgres://h/b"),
            ("postgres://h", "postgres://h/b"),
        ] {
            assert_eq!(with_database(url, "b"), other);
        }
    }
}
