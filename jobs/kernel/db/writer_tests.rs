//! SQLite's group commit: how many flushes a crowd costs, and that its members do not disturb each other.

use std::fs;

use tokio::{task::JoinSet, time::timeout};

use super::{
    Error, Flush, Sql,
    tests::{NEW, PATIENCE},
};
use crate::{args, testing::TestDb};

/// Bytes of the write-ahead log's header and of each frame's, before a page (<https://sqlite.org/fileformat2.html#walformat>).
const WAL_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// Physical commits in the write-ahead log: frames that say how large the database is after them, of the current
/// generation (the salts of their header are those of the log's).
fn commits(db: &TestDb) -> usize {
    let log = fs::read(db.file().with_extension("db-wal")).unwrap();
    let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap());
    let frame = FRAME_HEADER + usize::try_from(number(8)).unwrap();
    (WAL_HEADER..log.len())
        .step_by(frame)
        .take_while(|at| log[at + 8..at + 16] == log[16..24])
        .filter(|at| number(at + 4) > 0)
        .count()
}

async fn write(db: &TestDb, count: usize) {
    let mut writers = JoinSet::new();
    for writer in 0..count {
        let db = db.db.clone();
        writers.spawn(async move {
            let mut tx = db.begin().await.unwrap();
            tx.execute(NEW, args![format!("k{writer}"), "a"])
                .await
                .unwrap();
            tx.commit().await.unwrap();
        });
    }
    writers.join_all().await;
}

#[tokio::test]
async fn a_crowd_shares_few_commits() {
    let db = TestDb::sqlite().await;
    let before = commits(&db);
    write(&db, 200).await;
    let spent = commits(&db) - before;
    assert!(
        (1..=10).contains(&spent),
        "{spent} commits for 200 transactions"
    );
    assert_eq!(db.count("job_windows").await, 200);
}

/// The first has the writer for itself and commits alone; the others wait behind it, and see each other.
#[tokio::test]
async fn a_crowd_of_trips_shares_few_commits() {
    const TRIP: Sql = Sql::both(
        "INSERT INTO job_windows (unique_key, job_id, until_at) VALUES ($1, 'a', 0) RETURNING unique_key",
    );
    let db = TestDb::sqlite().await;
    let before = commits(&db);
    let mut crowd = JoinSet::new();
    for member in 0..200 {
        let db = db.db.clone();
        crowd.spawn(async move {
            let key = format!("k{member}");
            let told: Vec<(String,)> = db.alone(TRIP, args![&key]).await.unwrap();
            assert_eq!(told, [(key,)]);
        });
    }
    crowd.join_all().await;
    let spent = commits(&db) - before;
    assert!((2..=10).contains(&spent), "{spent} commits for 200 trips");
    assert_eq!(db.count("job_windows").await, 200);
    // Alone again, each commits for itself.
    let before = commits(&db);
    for key in ["a", "b", "c"] {
        let _told: Vec<(String,)> = db.db.alone(TRIP, args![key]).await.unwrap();
    }
    assert_eq!(commits(&db) - before, 3);
}

#[tokio::test]
async fn a_lone_transaction_commits_at_once() {
    let db = TestDb::sqlite().await;
    let before = commits(&db);
    for key in ["a", "b", "c"] {
        db.execute(NEW, args![key, "a"]).await;
    }
    assert_eq!(commits(&db) - before, 3);
}

#[tokio::test]
async fn a_failing_member_does_not_disturb_its_neighbours() {
    let db = TestDb::sqlite().await;
    db.execute(NEW, args!["taken", "a"]).await;
    let before = commits(&db);
    let mut first = db.db.begin().await.unwrap();
    first.execute(NEW, args!["first", "a"]).await.unwrap();
    let failing = async {
        let mut tx = db.db.begin().await?;
        tx.execute(NEW, args!["half", "a"]).await?;
        tx.execute(NEW, args!["taken", "a"]).await?;
        tx.commit().await
    };
    let last = async {
        let mut tx = db.db.begin().await?;
        tx.execute(NEW, args!["last", "a"]).await?;
        tx.commit().await
    };
    // Both wait for the writer when the first commits, so all three are one group.
    let (first, failed, last) = tokio::join!(first.commit(), failing, last);
    assert!(matches!(failed, Err(Error::Conflict(_))), "{failed:?}");
    first.unwrap();
    last.unwrap();
    assert_eq!(commits(&db) - before, 1);
    assert_eq!(
        db.count("job_windows WHERE unique_key IN ('first', 'last')")
            .await,
        2
    );
    assert_eq!(db.count("job_windows WHERE unique_key = 'half'").await, 0);
}

#[tokio::test]
async fn a_full_disk_fails_the_group_and_the_next_one_works() {
    let db = TestDb::sqlite().await;
    let mut first = db.db.begin().await.unwrap();
    first.execute(NEW, args!["first", "a"]).await.unwrap();
    first
        .execute(Sql::both("PRAGMA max_page_count = 1"), &[])
        .await
        .unwrap();
    let filling = async {
        let mut tx = db.db.begin().await?;
        let full = tx
            .execute(NEW, args!["large", "x".repeat(1_000_000)])
            .await
            .unwrap_err();
        // Such a transaction must not go on statement by statement.
        let after = tx.execute(NEW, args!["after", "a"]).await.unwrap_err();
        assert!(matches!(after, Error::Unavailable(_)), "{after:?}");
        Err::<(), Error>(full)
    };
    let (first, filled) = tokio::join!(first.commit(), filling);
    assert!(matches!(filled, Err(Error::Unavailable(_))), "{filled:?}");
    assert!(matches!(first, Err(Error::Unavailable(_))), "{first:?}");
    assert_eq!(db.count("job_windows").await, 0);
    // The disk has room again.
    db.execute(Sql::both("PRAGMA max_page_count = 100000"), &[])
        .await;
    db.execute(NEW, args!["next", "a"]).await;
    assert_eq!(db.count("job_windows").await, 1);
}

#[tokio::test]
async fn a_commit_that_fails_is_told_to_every_member() {
    let db = TestDb::sqlite().await;
    // Checked at COMMIT, after every member has done its part.
    let orphan = Sql::both(
        "INSERT INTO api_keys (id, organization_id, name, secret_hash, last4, scopes, created_at)
         VALUES ('key_1', 'nobody', '', '', '', '', 0)",
    );
    let mut first = db.db.begin().await.unwrap();
    first
        .execute(Sql::both("PRAGMA defer_foreign_keys = ON"), &[])
        .await
        .unwrap();
    first.execute(orphan, &[]).await.unwrap();
    let second = async {
        let mut tx = db.db.begin().await?;
        tx.execute(NEW, args!["second", "a"]).await?;
        tx.commit().await
    };
    let (first, second) = timeout(PATIENCE, async { tokio::join!(first.commit(), second) })
        .await
        .unwrap();
    assert!(first.is_err() && second.is_err(), "{first:?} {second:?}");
    assert_eq!(db.count("job_windows").await, 0);
    db.execute(NEW, args!["next", "a"]).await;
}

#[tokio::test]
async fn a_claim_that_is_flushed_later_leaves_the_next_commit_durable() {
    const LEVEL: Sql = Sql::both("PRAGMA synchronous");
    const NORMAL: [(i64,); 1] = [(1,)];
    const FULL: [(i64,); 1] = [(2,)];
    let db = TestDb::sqlite().await;
    let later: Vec<(i64,)> = db.db.alone_with(LEVEL, &[], Flush::Later).await.unwrap();
    assert_eq!(later, NORMAL);
    assert_eq!(db.db.alone::<(i64,)>(LEVEL, &[]).await.unwrap(), FULL);
    // The same after one that failed.
    db.execute(NEW, args!["k", "a"]).await;
    let failed = db
        .db
        .alone_with::<(i64,)>(NEW, args!["k", "a"], Flush::Later)
        .await;
    assert!(matches!(failed, Err(Error::Conflict(_))));
    let mut tx = db.db.begin().await.unwrap();
    assert_eq!(tx.all::<(i64,)>(LEVEL, &[]).await.unwrap(), FULL);
}
