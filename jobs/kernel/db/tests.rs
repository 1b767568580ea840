//! What every caller may rely on, on both databases.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use sqlx::{Connection, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::{task::JoinSet, time::timeout};

use super::{Db, Error, Result, Sql, Woken};
use crate::{
    args, both,
    kernel::{outbox, queue::Queue, test_jobs::Plain},
    testing::{Engine, TestDb},
};

pub(super) const NEW: Sql =
    Sql::both("INSERT INTO job_windows (unique_key, job_id, until_at) VALUES ($1, $2, 0)");
/// Two rows in one trip.
const NEW_TWO: Sql = Sql::split(
    "INSERT INTO job_windows (unique_key, job_id, until_at) VALUES ($1, $3, 0);
     INSERT INTO job_windows (unique_key, job_id, until_at) VALUES ($2, $3, 0) RETURNING unique_key",
    "WITH one AS (INSERT INTO job_windows (unique_key, job_id, until_at) VALUES ($1, $3, 0))
     INSERT INTO job_windows (unique_key, job_id, until_at) VALUES ($2, $3, 0) RETURNING unique_key",
);
const LAST: Sql = Sql::both("SELECT unique_key FROM job_windows ORDER BY unique_key");
/// No step here takes long; what hangs fails.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

async fn insert(db: &Db, key: &str) -> Result<()> {
    let mut tx = db.begin().await?;
    tx.execute(NEW, args![key, "a"]).await?;
    tx.commit().await
}

/// Drops `work` when it has been polled this often without being done.
async fn cancel_after<T>(polls: u32, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(cx).map(Some)
    })
    .await
}

both! {
    async fn committed_rows_are_there_for_another_process_and_after_a_restart(db: TestDb) {
        insert(&db.db, "k").await.unwrap();
        // Counted through a connection of its own, after commit returned.
        assert_eq!(db.count("job_windows").await, 1);
        let db = db.reopen().await;
        assert_eq!(db.count("job_windows").await, 1);
    }

    async fn a_dropped_transaction_leaves_nothing(db: TestDb) {
        let mut tx = db.db.begin().await.unwrap();
        tx.execute(NEW, args!["k", "a"]).await.unwrap();
        drop(tx);
        insert(&db.db, "other").await.unwrap();
        assert_eq!(db.rows::<(String,)>(LAST, &[]).await, [("other".to_owned(),)]);
    }

    async fn reads_never_see_what_is_not_committed(db: TestDb) {
        let mut tx = db.db.begin().await.unwrap();
        tx.execute(NEW, args!["k", "a"]).await.unwrap();
        assert!(db.rows::<(String,)>(LAST, &[]).await.is_empty());
        assert_eq!(tx.all::<(String,)>(LAST, &[]).await.unwrap().len(), 1);
        tx.commit().await.unwrap();
        assert_eq!(db.rows::<(String,)>(LAST, &[]).await.len(), 1);
    }

    async fn a_transaction_cancelled_at_any_point_leaves_all_or_nothing_and_blocks_nobody(db: TestDb) {
        let mut whole = 0;
        for polls in 0..40 {
            let (one, two) = (format!("{polls}-1"), format!("{polls}-2"));
            let work = async {
                let mut tx = db.db.begin().await.unwrap();
                tx.execute(NEW, args![&one, "a"]).await.unwrap();
                tx.execute(NEW, args![&two, "a"]).await.unwrap();
                tx.commit().await.unwrap();
            };
            let told = cancel_after(polls, work).await.is_some();
            let next = format!("{polls}-next");
            timeout(PATIENCE, insert(&db.db, &next)).await.expect("nobody waits").unwrap();
            let left = db.count(&format!("job_windows WHERE unique_key IN ('{one}', '{two}')")).await;
            assert!(left == 2 || (left == 0 && !told), "{left} rows after {polls} polls, told {told}");
            whole += i64::from(told);
        }
        assert!((1..40).contains(&whole), "some were cancelled and some were not: {whole}");
    }

    async fn a_trip_cancelled_at_any_point_leaves_all_or_nothing_and_blocks_nobody(db: TestDb) {
        let mut whole = 0;
        for polls in 0..40 {
            let (one, two) = (format!("{polls}-1"), format!("{polls}-2"));
            // Every second time somebody else has a transaction open, whose group it joins.
            let crowded = polls % 2 == 1;
            let other = async {
                if crowded {
                    insert(&db.db, &format!("{polls}-other")).await.unwrap();
                }
            };
            let work = async {
                db.db.alone::<(String,)>(NEW_TWO, args![&one, &two, "a"]).await.unwrap();
            };
            let ((), told) = tokio::join!(other, cancel_after(polls, work));
            let told = told.is_some();
            let next = format!("{polls}-next");
            timeout(PATIENCE, insert(&db.db, &next)).await.expect("nobody waits").unwrap();
            let left = db.count(&format!("job_windows WHERE unique_key IN ('{one}', '{two}')")).await;
            assert!(left == 2 || (left == 0 && !told), "{left} rows after {polls} polls, told {told}");
            assert_eq!(db.count(&format!("job_windows WHERE unique_key = '{polls}-other'")).await, i64::from(crowded));
            whole += i64::from(told);
        }
        assert!((1..40).contains(&whole), "some were cancelled and some were not: {whole}");
    }

    async fn a_trip_that_fails_half_way_leaves_nothing(db: TestDb) {
        insert(&db.db, "two").await.unwrap();
        let failed = db.db.alone::<(String,)>(NEW_TWO, args!["one", "two", "a"]).await;
        assert!(matches!(failed, Err(Error::Conflict(_))), "{failed:?}");
        assert_eq!(db.count("job_windows").await, 1);
        db.db.alone::<(String,)>(NEW_TWO, args!["one", "three", "a"]).await.unwrap();
        assert_eq!(db.count("job_windows").await, 3);
    }

    async fn a_cancelled_transaction_frees_the_lock_without_a_next_one(db: TestDb) {
        for polls in 0..12 {
            let other = db.node().await;
            let work = async {
                let mut tx = db.db.begin().await.unwrap();
                tx.execute(NEW, args!["k", "a"]).await.unwrap();
                loop {
                    tokio::task::yield_now().await;
                }
            };
            assert!(cancel_after(polls, work).await.is_none());
            // Another process: nobody calls this one's `begin` to tidy up.
            timeout(PATIENCE, insert(&other.db, &format!("free-{polls}"))).await.unwrap().unwrap();
        }
        assert_eq!(db.count("job_windows").await, 12);
    }

    async fn a_unique_violation_is_a_conflict_and_names_the_key(db: TestDb) {
        insert(&db.db, "k").await.unwrap();
        match insert(&db.db, "k").await {
            Err(Error::Conflict(what)) => assert!(what.contains("job_windows"), "{what}"),
            other => panic!("{other:?}"),
        }
    }

    async fn a_transaction_with_a_failed_statement_cannot_commit(db: TestDb) {
        insert(&db.db, "k").await.unwrap();
        let mut tx = db.db.begin().await.unwrap();
        tx.execute(NEW, args!["before", "a"]).await.unwrap();
        assert!(tx.execute(NEW, args!["k", "a"]).await.is_err());
        // PostgreSQL answers COMMIT with ROLLBACK here, which is no error to its clients.
        assert!(matches!(tx.commit().await, Err(Error::Conflict(_))));
        assert_eq!(db.count("job_windows").await, 1);
    }

    async fn many_writers_all_commit(db: TestDb) {
        let mut writers = JoinSet::new();
        for writer in 0..100 {
            let db = db.db.clone();
            writers.spawn(async move { insert(&db, &format!("k{writer}")).await });
        }
        for done in writers.join_all().await {
            done.unwrap();
        }
        assert_eq!(db.count("job_windows").await, 100);
    }

    async fn a_busy_database_is_told_from_a_broken_one(db: TestDb) {
        assert!(matches!(locked(&db).await, Error::Busy(_)));
        assert!(matches!(nonsense(&db).await, Error::Other(_)));
        if db.engine() == Engine::Postgres {
            // Behind a long lock, say: what was to be written must not be given up.
            assert!(matches!(out_of_time(&db).await, Error::Busy(_)));
        }
    }

    async fn an_unreachable_database_is_unavailable(db: TestDb) {
        db.db.check_writable().await.unwrap();
        let other = db.node().await;
        other.db.close().await;
        let error = other.db.all::<(String,)>(LAST, &[]).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    }

    async fn a_commit_rings_for_its_queues_and_a_rollback_does_not(db: TestDb) {
        let stop = tokio_util::sync::CancellationToken::new();
        let mut listening = JoinSet::new();
        let (listener, token) = (db.db.clone(), stop.clone());
        listening.spawn(async move { listener.listen(token).await });
        let bells = db.db.wakes();
        if db.engine() == Engine::Postgres {
            // A listener rings once when it begins to listen.
            assert_eq!(bells.wait(Queue::Default, PATIENCE).await, Woken::Rung);
        }
        let mut tx = db.db.begin().await.unwrap();
        outbox::enqueue(&mut tx, &db, Plain::with("a")).await.unwrap();
        drop(tx);
        assert_eq!(bells.wait(Queue::Default, Duration::from_millis(50)).await, Woken::Elapsed);
        db.enqueue(Plain::with("b")).await;
        assert_eq!(bells.wait(Queue::Default, PATIENCE).await, Woken::Rung);
        assert_eq!(bells.wait(Queue::Stripe, Duration::ZERO).await, if db.engine() == Engine::Postgres {
            Woken::Rung
        } else {
            Woken::Elapsed
        });
        stop.cancel();
    }
}

/// The error of a statement that met somebody else's lock.
async fn locked(db: &TestDb) -> Error {
    let mut tx = db.db.begin().await.unwrap();
    tx.execute(NEW, args!["k", "a"]).await.unwrap();
    let met = match db.engine() {
        Engine::Sqlite => {
            let file = SqliteConnectOptions::new()
                .filename(db.file())
                .busy_timeout(Duration::ZERO);
            let mut other = SqliteConnection::connect_with(&file).await.unwrap();
            sqlx::query("BEGIN IMMEDIATE")
                .execute(&mut other)
                .await
                .map(drop)
        }
        Engine::Postgres => {
            let mut other = PgConnection::connect(&db.url()).await.unwrap();
            let locking = sqlx::query("LOCK TABLE job_windows IN ACCESS EXCLUSIVE MODE NOWAIT");
            let mut other = other.begin().await.unwrap();
            locking.execute(&mut *other).await.map(drop)
        }
    };
    met.unwrap_err().into()
}

/// The error of a statement that PostgreSQL ended because it took too long.
async fn out_of_time(db: &TestDb) -> Error {
    let mut server = PgConnection::connect(&db.url()).await.unwrap();
    let long = sqlx::raw_sql("SET statement_timeout = 10; SELECT pg_sleep(60)");
    long.execute(&mut server).await.unwrap_err().into()
}

async fn nonsense(db: &TestDb) -> Error {
    let mut tx = db.db.begin().await.unwrap();
    tx.execute(Sql::both("SELECT nonsense FROM nowhere"), &[])
        .await
        .unwrap_err()
}

#[tokio::test]
async fn a_terminated_connection_is_unavailable_and_the_next_call_works() {
    let db = TestDb::postgres().await;
    let mut tx = db.db.begin().await.unwrap();
    let (pid,): (i32,) = tx
        .one(Sql::both("SELECT pg_backend_pid()"), &[])
        .await
        .unwrap_or_default();
    db.execute(
        Sql::both("SELECT pg_terminate_backend($1::int)"),
        args![i64::from(pid)],
    )
    .await;
    let error = tx.execute(NEW, args!["k", "a"]).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    drop(tx);
    insert(&db.db, "k").await.unwrap();
}
