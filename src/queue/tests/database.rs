//! The database goes away for a while.

use memberd_jobs::{both, testing::Engine};
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use super::*;

/// Longer than a transaction on SQLite waits for another writer, so that rounds and renewals fail.
const LOCKED_FOR: Duration = Duration::from_secs(6);
/// Jobs that run meanwhile.
const JOBS: usize = 40;

/// Takes the database away from everybody while jobs begin and end.
async fn disturb(db: &TestDb) {
    match db.engine() {
        Engine::Sqlite => {
            let mut other = SqliteConnection::connect(&db.url()).await.unwrap();
            sqlx::query("BEGIN IMMEDIATE")
                .execute(&mut other)
                .await
                .unwrap();
            tokio::time::sleep(LOCKED_FOR).await;
            sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        }
        Engine::Postgres => {
            let mut other = PgConnection::connect(&db.url()).await.unwrap();
            let killed = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                          WHERE datname = current_database() AND pid <> pg_backend_pid()";
            for _ in 0..5 {
                sqlx::query(killed).execute(&mut other).await.unwrap();
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

both! {
    async fn nothing_is_lost_while_the_database_is_away(db: TestDb) {
        let process = Running::start(&db.node().await, |options| options.lease = Duration::from_secs(3));
        let waiting = enqueue(&db.env, SLOTS, Does::Wait).await;
        for id in &waiting {
            job_in(&db.env, id, "running").await;
        }
        let jobs = enqueue(&db.env, JOBS, Does::Complete).await;
        let ((), ()) = tokio::join!(
            async {
                for id in &waiting {
                    until("the cancellation is written", || async {
                        let mut tx = db.env.db.begin().await.ok()?;
                        let ids = [id.clone()];
                        admin::act(&mut tx, "default", admin::Action::Cancel, &ids, db.now()).await.ok()?;
                        tx.commit().await.ok()
                    })
                    .await;
                }
            },
            disturb(&db),
        );
        let all = i64::try_from(JOBS).unwrap();
        until("all jobs are completed", || async {
            (db.count("jobs_done WHERE state = 'completed'").await == all).then_some(())
        })
        .await;
        for id in &waiting {
            job_in(&db.env, id, "cancelled").await;
        }
        assert_eq!(jobs.len(), JOBS);
        assert_eq!(db.count("jobs").await, 0);
        process.stop().await;
    }
}
