//! Cancelling, pausing and draining.

use memberd_jobs::{
    args, both,
    kernel::{db::Sql, queue::admin::Action},
};

use super::*;

async fn set_paused(db: &TestDb, paused: bool) {
    let mut tx = db.env.db.begin().await.unwrap();
    admin::set_queue_paused(&mut tx, Queue::Default, paused, db.now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn set_concurrency(db: &TestDb, slots: Option<i64>) {
    let mut tx = db.env.db.begin().await.unwrap();
    admin::set_concurrency(&mut tx, Queue::Default, slots)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

both! {
    async fn a_running_job_is_cancelled_on_request(db: TestDb) {
        let process = Running::start(&db.env, |_| {});
        let id = db.enqueue(puppet(Does::Wait)).await.id;
        job_in(&db.env, &id, "running").await;
        act_on(&db, &id, Action::Cancel).await;
        let cancelled = job_in(&db.env, &id, "cancelled").await;
        assert_eq!(cancelled.error.as_deref(), Some("cancelled on request"));
        process.stop().await;
    }

    async fn a_job_that_ignores_a_cancellation_is_abandoned(db: TestDb) {
        let process = Running::start(&db.env, |_| {});
        let id = db.enqueue(puppet(Does::Ignore)).await.id;
        job_in(&db.env, &id, "running").await;
        act_on(&db, &id, Action::Cancel).await;
        let cancelled = job_in(&db.env, &id, "cancelled").await;
        let error = cancelled.error.unwrap_or_default();
        assert!(error.contains("abandoned"), "{error}");
        process.stop().await;
    }

    async fn a_drain_lets_jobs_finish_and_claims_no_more(db: TestDb) {
        let process = Running::start(&db.env, |_| {});
        let running = db.enqueue(puppet(Does::Wait)).await.id;
        let other = db.enqueue(puppet(Does::Wait)).await.id;
        for id in [&running, &other] {
            job_in(&db.env, id, "running").await;
        }
        process.stop.cancel();
        // A round that was under way at the stop may still claim; once an end is heard, it is back.
        act_on(&db, &other, Action::Cancel).await;
        job_in(&db.env, &other, "cancelled").await;
        let late = db.enqueue(puppet(Does::Complete)).await.id;
        // The drain waits for it, and its end is heard while nothing new is claimed.
        act_on(&db, &running, Action::Cancel).await;
        job_in(&db.env, &running, "cancelled").await;
        process.stop().await;
        job_in(&db.env, &late, "available").await;
    }

    async fn a_drain_hears_ends_while_a_long_job_still_runs(db: TestDb) {
        let process = Running::start(&db.env, |_| {});
        let long = db.enqueue(puppet(Does::Wait)).await.id;
        let others = enqueue(&db.env, SLOTS - 1, Does::Wait).await;
        for id in others.iter().chain([&long]) {
            job_in(&db.env, id, "running").await;
        }
        process.stop.cancel();
        for id in &others {
            act_on(&db, id, Action::Cancel).await;
        }
        for id in &others {
            job_in(&db.env, id, "cancelled").await;
        }
        assert!(!process.task.is_finished());
        job_in(&db.env, &long, "running").await;
        act_on(&db, &long, Action::Cancel).await;
        process.stop().await;
        job_in(&db.env, &long, "cancelled").await;
    }

    async fn a_drain_gives_back_what_does_not_finish(db: TestDb) {
        let process = Running::start(&db.env, |options| options.drain = Duration::from_millis(10));
        let deaf = db.enqueue(puppet(Does::Ignore)).await.id;
        let obedient = db.enqueue(puppet(Does::Wait)).await.id;
        for id in [&deaf, &obedient] {
            job_in(&db.env, id, "running").await;
        }
        process.stop().await;
        for id in [&deaf, &obedient] {
            let back = job_in(&db.env, id, "available").await;
            assert_eq!((back.attempt, back.owner), (0, None));
        }
        assert_eq!(db.count("nodes WHERE stopped_at IS NOT NULL").await, 1);
    }

    async fn a_paused_queue_hears_ends_but_starts_nothing(db: TestDb) {
        let process = Running::start(&db.env, |_| {});
        let running = db.enqueue(puppet(Does::Wait)).await.id;
        job_in(&db.env, &running, "running").await;
        set_paused(&db, true).await;
        let waiting = db.enqueue(puppet(Does::Complete)).await.id;
        act_on(&db, &running, Action::Cancel).await;
        job_in(&db.env, &running, "cancelled").await;
        job_in(&db.env, &waiting, "available").await;
        set_paused(&db, false).await;
        job_in(&db.env, &waiting, "completed").await;
        set_concurrency(&db, Some(0)).await;
        let waiting = db.enqueue(puppet(Does::Complete)).await.id;
        let elsewhere = Sql::both("UPDATE jobs SET queue = 'money' WHERE id = $1");
        let other = db.enqueue(puppet(Does::Complete)).await.id;
        db.execute(elsewhere, args![&other]).await;
        // A whole poll of another lane passes, and the one without slots has not moved.
        job_in(&db.env, &other, "completed").await;
        job_in(&db.env, &waiting, "available").await;
        set_concurrency(&db, None).await;
        job_in(&db.env, &waiting, "completed").await;
        process.stop().await;
    }
}
