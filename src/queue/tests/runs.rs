//! How one run ends.

use memberd_jobs::{
    args, both,
    kernel::{Timestamp, db::Sql},
};

use super::*;

/// A job as another version of memberd, or somebody with `psql`, may have left it.
async fn insert(db: &TestDb, kind: &str, args: &str) -> String {
    const INSERT: Sql = Sql::both(
        "INSERT INTO jobs (id, organization_id, queue, kind, args, priority, due_at, max_attempts, created_at)
         VALUES ($1, 'default', 'default', $2, $3, 0, 0, 2, 0)",
    );
    let id = db.id("job");
    db.execute(INSERT, args![&id, kind, args]).await;
    id
}

fn minutes_later(db: &TestDb, minutes: u64) -> Timestamp {
    db.now().plus(Duration::from_mins(minutes))
}

both! {
    async fn a_job_completes_with_its_report(db: TestDb) {
        let process = Running::start(&db.env, |_| {});
        let id = db.enqueue(puppet(Does::Complete)).await.id;
        let done = job_in(&db.env, &id, "completed").await;
        assert_eq!(done.report.as_deref(), Some(r#"{"attempt":1}"#));
        let id = db.enqueue(puppet(Does::CompleteItself)).await.id;
        let done = job_in(&db.env, &id, "completed").await;
        assert_eq!(done.report.as_deref(), Some(r#"{"itself":true}"#));
        process.stop().await;
    }

    async fn a_failing_job_waits_longer_each_time_and_is_discarded_at_last(db: TestDb) {
        let process = Running::start(&db.env, |_| {});
        let id = db.enqueue(puppet(Does::Retry)).await.id;
        let waiting = job_in(&db.env, &id, "retryable").await;
        assert_eq!((waiting.attempt, waiting.due_at), (1, Some(minutes_later(&db, 1))));
        assert_eq!(last_error(&db.env, &id).await, "outer: inner");
        db.advance(Duration::from_mins(1));
        let second = until("the second attempt fails", || async {
            let row = admin::show(&db.env.db, "default", &id, db.now()).await.unwrap()?;
            (row.attempt == 2 && row.owner.is_none()).then_some(row)
        });
        assert_eq!(second.await.due_at, Some(minutes_later(&db, 2)));
        db.advance(Duration::from_mins(2));
        let dead = job_in(&db.env, &id, "discarded").await;
        assert_eq!((dead.attempt, dead.error.as_deref()), (3, Some("outer: inner")));
        assert_eq!(admin::attempts(&db.env.db, &id).await.unwrap().len(), 3);
        process.stop().await;
    }

    async fn nobody_comes_back_before_the_server_allows_it(db: TestDb) {
        let process = Running::start(&db.env, |_| {});
        let id = db.enqueue(puppet(Does::RetryAfter)).await.id;
        let waiting = job_in(&db.env, &id, "retryable").await;
        assert_eq!(waiting.due_at, Some(minutes_later(&db, 10)));
        process.stop().await;
    }

    async fn a_snooze_spends_no_attempt(db: TestDb) {
        let process = Running::start(&db.env, |_| {});
        let id = db.enqueue(puppet(Does::Snooze)).await.id;
        let waiting = job_in(&db.env, &id, "scheduled").await;
        assert_eq!((waiting.attempt, waiting.due_at), (0, Some(minutes_later(&db, 60))));
        process.stop().await;
    }

    async fn a_permanent_error_discards_at_once(db: TestDb) {
        let process = Running::start(&db.env, |_| {});
        let id = db.enqueue(puppet(Does::Fail)).await.id;
        let dead = job_in(&db.env, &id, "discarded").await;
        assert_eq!((dead.attempt, dead.error.as_deref()), (1, Some("outer: inner")));
        process.stop().await;
    }

    async fn a_panic_and_a_timeout_end_that_job_alone(db: TestDb) {
        let process = Running::start(&db.env, |_| {});
        let slow = db.enqueue(puppet(Does::Wait)).await.id;
        job_in(&db.env, &slow, "running").await;
        let broken = db.enqueue(puppet(Does::Panic)).await.id;
        let hasty = db.enqueue(NewJob::of("default", &Hasty {}).unwrap()).await.id;
        job_in(&db.env, &broken, "retryable").await;
        assert_eq!(last_error(&db.env, &broken).await, "panicked: the puppet's strings broke");
        job_in(&db.env, &hasty, "retryable").await;
        assert_eq!(last_error(&db.env, &hasty).await, "timed out after 50ms");
        job_in(&db.env, &slow, "running").await;
        act_on(&db, &slow, admin::Action::Cancel).await;
        job_in(&db.env, &slow, "cancelled").await;
        process.stop().await;
    }

    async fn what_cannot_be_read_or_is_unknown_harms_nobody_else(db: TestDb) {
        let process = Running::start(&db.env, |_| {});
        let no_json = insert(&db, "test.puppet", "{").await;
        let other = insert(&db, "test.puppet", r#"{"does":"Dance"}"#).await;
        let unknown = insert(&db, "test.of_tomorrow", "{}").await;
        for id in [&no_json, &other] {
            let dead = job_in(&db.env, id, "discarded").await;
            assert_eq!(dead.attempt, 1);
        }
        job_in(&db.env, &unknown, "retryable").await;
        let error = last_error(&db.env, &unknown).await;
        assert!(error.contains("`test.of_tomorrow`"), "{error}");
        let good = db.enqueue(puppet(Does::Complete)).await.id;
        job_in(&db.env, &good, "completed").await;
        process.stop().await;
    }

    async fn two_failures_with_one_key_leave_one_waiting(db: TestDb) {
        let job = || NewJob::of("default", &Puppet { does: Does::Wait, key: Some("k".to_owned()) }).unwrap();
        let process = Running::start(&db.env, |options| options.drain = Duration::ZERO);
        let first = db.enqueue(job()).await.id;
        job_in(&db.env, &first, "running").await;
        let second = db.enqueue(job()).await.id;
        job_in(&db.env, &second, "running").await;
        // Both are given back in one round, and only one may wait under the key.
        process.stop().await;
        assert_eq!(db.count("jobs WHERE owner IS NULL").await, 1);
        assert_eq!(db.count("jobs_done WHERE state = 'cancelled'").await, 1);
    }
}
