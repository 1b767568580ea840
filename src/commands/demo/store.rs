//! A PostgreSQL database for the demo: an empty one, or one that an earlier demo filled.

use std::{path::Path, time::Duration};

use anyhow::{anyhow, bail};
use memberd_jobs::kernel::db::{Db, Options, Plans};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// Name of the organization `default` of every demo, by which it knows its own databases.
pub(super) const DEMO_NAME: &str = "memberd demo";
/// What to do instead.
const FIX: &str = "make an empty one (createdb memberd_demo) and give its URL to --database";

const TABLES: &str = "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()";
const OWNER: &str = "SELECT name FROM organizations WHERE id = 'default'";
/// The table of applied migrations, which no migration makes.
const HISTORY: &str = "memberd_migrations";
/// An empty SQLite database, only to learn from the migrations which tables they make.
const SCRATCH: &str = "tables.db";
/// Longest statement on it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Makes sure that the database is empty. What an earlier demo left is dropped; anything else is refused.
///
/// # Errors
/// A database that cannot be reached, or that holds something else.
pub(super) async fn empty(url: &str, scratch: &Path) -> anyhow::Result<()> {
    let mut server = PgConnection::connect(url)
        .await
        .map_err(|error| anyhow!("cannot open the database of --database: {error}; {FIX}"))?;
    let there: Vec<(String,)> = sqlx::query_as(TABLES).fetch_all(&mut server).await?;
    let there: Vec<String> = there.into_iter().map(|row| row.0).collect();
    if there.is_empty() {
        return Ok(());
    }
    if !made_by_a_demo(&mut server, &there).await? {
        bail!("the database of --database is not empty, and no demo filled it; {FIX}");
    }
    let ours = our_tables(scratch).await?;
    let gone: Vec<String> = there
        .into_iter()
        .filter(|name| ours.contains(name))
        .map(|name| format!("\"{name}\""))
        .collect();
    let drop = format!("DROP TABLE IF EXISTS {} CASCADE", gone.join(", "));
    sqlx::query(AssertSqlSafe(drop))
        .execute(&mut server)
        .await?;
    Ok(server.close().await?)
}

async fn made_by_a_demo(server: &mut PgConnection, there: &[String]) -> anyhow::Result<bool> {
    let has = |name: &str| there.iter().any(|table| table == name);
    if !has(HISTORY) || !has("organizations") {
        return Ok(false);
    }
    let owner: Option<(String,)> = sqlx::query_as(OWNER).fetch_optional(server).await?;
    Ok(owner.is_some_and(|row| row.0 == DEMO_NAME))
}

/// The tables that the migrations make, which are the same on both databases.
async fn our_tables(scratch: &Path) -> anyhow::Result<Vec<String>> {
    let file = scratch.join(SCRATCH);
    let db = Db::open(&Options {
        url: sqlite_url(&file),
        max_connections: 1,
        statement_timeout: TIMEOUT,
        plans: Plans::Lookups,
    })
    .await?;
    let state = db.migration_state().await?;
    db.close().await;
    drop(db);
    for end in ["", "-wal", "-shm"] {
        // What is left is removed with the folder.
        let _left = std::fs::remove_file(scratch.join(format!("{SCRATCH}{end}")));
    }
    let mut tables: Vec<String> = state
        .pending
        .iter()
        .flat_map(|migration| made_in(&migration.sql))
        .collect();
    tables.push(HISTORY.to_owned());
    Ok(tables)
}

/// The names after `CREATE TABLE`.
fn made_in(sql: &str) -> Vec<String> {
    let statements = sql.split("CREATE TABLE ").skip(1);
    statements
        .map(|rest| {
            let name = rest.trim_start_matches("IF NOT EXISTS ");
            name.chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect()
        })
        .collect()
}

/// The URL of a SQLite file; a path may hold characters that mean something in one.
pub(super) fn sqlite_url(file: &Path) -> String {
    let path = file.to_string_lossy();
    let path = path.replace('%', "%25").replace('?', "%3F");
    format!("sqlite:{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn our_tables_are_those_of_the_migrations() {
        let home = tempfile::tempdir().unwrap();
        let tables = our_tables(home.path()).await.unwrap();
        for name in [
            "organizations",
            "jobs",
            "members",
            "stripe_objects",
            HISTORY,
        ] {
            assert!(
                tables.iter().any(|table| table == name),
                "{name} in {tables:?}"
            );
        }
        assert!(!tables.iter().any(String::is_empty), "{tables:?}");
    }

    #[test]
    fn odd_paths_stay_paths() {
        assert_eq!(sqlite_url(Path::new("/tmp/a b")), "sqlite:/tmp/a b");
        assert_eq!(sqlite_url(Path::new("/tmp/50%?")), "sqlite:/tmp/50%25%3F");
    }
}
