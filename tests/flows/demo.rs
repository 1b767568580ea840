//! The README's first command, as far as it ends by itself.

use std::process::{Command, Stdio};

use memberd_jobs::{
    kernel::db::Sql,
    testing::{Engine, TestDb},
};
use serde_json::Value;

/// Runs `memberd demo --once` and answers what it says, after checking that it found nothing wrong.
fn demo(database: Option<&str>) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memberd"));
    command.args(["demo", "--once", "--json", "--members", "60", "--seed", "7"]);
    if let Some(url) = database {
        command.args(["--database", url]);
    }
    let ended = command.stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8_lossy(&ended.stderr);
    let said: Value =
        serde_json::from_slice(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"));
    let invariants = said["invariants"].as_object().unwrap();
    let broken: Vec<_> = invariants
        .iter()
        .filter(|(_, word)| *word != "ok")
        .collect();
    assert!(
        broken.is_empty() && ended.status.success(),
        "{broken:?}\n{errors}"
    );
    assert!(invariants.len() >= 10, "{invariants:?}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_holds_its_invariants_and_gives_one_digest_on_both_databases() {
    let postgres = TestDb::empty(Engine::Postgres).await;
    // The demo takes only a database in which nothing is.
    for sql in [
        Sql::both("DROP SCHEMA public CASCADE"),
        Sql::both("CREATE SCHEMA public"),
    ] {
        postgres.execute(sql, &[]).await;
    }
    let url = postgres.url();
    let on_postgres = tokio::task::spawn_blocking(move || demo(Some(&url)))
        .await
        .unwrap();
    let on_sqlite = tokio::task::spawn_blocking(|| demo(None)).await.unwrap();
    assert_eq!(on_sqlite["digest"], on_postgres["digest"]);
    assert_eq!(on_sqlite["members"], on_postgres["members"]);
}
