//! Looks into the daemon's database.

use std::time::Duration;

use memberd_jobs::{
    args,
    kernel::{
        Clock as _, SystemClock,
        db::{Db, Options, Plans, Sql},
    },
};

use super::wait::{PATIENCE, at_last};

const RUNNING_OR_DUE: Sql = Sql::both(
    "SELECT id, kind, attempt, CASE WHEN owner IS NULL THEN 'due' ELSE 'running' END FROM jobs
     WHERE owner IS NOT NULL OR due_at <= $1 ORDER BY id LIMIT 20",
);
const DISCARDED: Sql = Sql::both(
    "SELECT id, kind, coalesce(error, '') FROM jobs_done WHERE state = 'discarded' ORDER BY id",
);
const LEFT: Sql = Sql::both("SELECT count(*) FROM jobs");

/// A job that is not over: id, kind, attempt and whether it is due or running.
type Unfinished = (String, String, i64, String);

/// Opens a database beside the daemon.
pub(crate) async fn open(url: &str) -> Db {
    let options = Options {
        url: url.to_owned(),
        max_connections: 2,
        statement_timeout: Duration::from_secs(30),
        plans: Plans::Lookups,
    };
    Db::open(&options).await.unwrap()
}

/// The jobs that run or could.
pub(crate) async fn unfinished(db: &Db) -> Vec<Unfinished> {
    db.all(RUNNING_OR_DUE, args![SystemClock.now()])
        .await
        .unwrap()
}

/// Jobs that wait or run, also those that are put off.
pub(crate) async fn left(db: &Db) -> i64 {
    let (left,): (i64,) = db.one(LEFT, &[]).await.unwrap();
    left
}

/// Jobs that were given up: id, kind, error.
pub(crate) async fn discarded(db: &Db) -> Vec<(String, String, String)> {
    db.all(DISCARDED, &[]).await.unwrap()
}

/// What every test ends with: no job was given up, and while a daemon runs none stays running or due. In a thread of
/// its own with its own runtime, because the test's may be ending.
pub(crate) fn check_jobs(url: &str, discarded_allowed: i64, working: bool) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let db = open(url).await;
        let patience = if working { PATIENCE } else { Duration::ZERO };
        let mut left = Vec::new();
        at_last(patience, async || {
            left = unfinished(&db).await;
            left.is_empty().then_some(())
        })
        .await;
        let discarded = discarded(&db).await;
        db.close().await;
        if working && !left.is_empty() {
            return Err(format!("jobs are left: {left:#?}"));
        }
        match i64::try_from(discarded.len()) {
            Ok(count) if count <= discarded_allowed => Ok(()),
            _ => Err(format!("jobs were discarded: {discarded:#?}")),
        }
    })
}
