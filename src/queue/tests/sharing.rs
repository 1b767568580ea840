//! Several processes on one database.

use memberd_jobs::{args, both, kernel::db::Sql};

use super::*;

/// Jobs that two processes share.
const SHARED: usize = 500;

both! {
    async fn two_processes_run_each_job_once(db: TestDb) {
        let (one, other) = (db.node().await, db.node().await);
        let processes = [Running::start(&one, |_| {}), Running::start(&other, |_| {})];
        until("both processes are there", || async { (db.count("nodes").await == 2).then_some(()) }).await;
        enqueue(&db.env, SHARED, Does::CompleteItself).await;
        let all = i64::try_from(SHARED).unwrap();
        until("all jobs are completed", || async {
            (db.count("jobs_done WHERE state = 'completed'").await == all).then_some(())
        })
        .await;
        for process in processes {
            process.stop().await;
        }
        // A second run would have been a second attempt, or an attempt that lost its lease.
        assert_eq!(db.count("jobs_done WHERE attempt = 1 AND fence = 1").await, all);
        assert_eq!(db.count("jobs").await, 0);
        assert_eq!(db.count("job_attempts").await, 0);
    }

    async fn the_job_of_a_dead_process_is_rescued_and_counts_as_an_attempt(db: TestDb) {
        const DEAD: Sql = Sql::both(
            "UPDATE jobs SET owner = 'node_dead', lease_until = 0, started_at = 0, attempt = 1, fence = 1 WHERE id = $1",
        );
        let id = db.enqueue(puppet(Does::Complete)).await.id;
        db.execute(DEAD, args![&id]).await;
        let process = Running::start(&db.env, |_| {});
        let done = job_in(&db.env, &id, "completed").await;
        assert_eq!(done.attempt, 2);
        assert!(last_error(&db.env, &id).await.contains("lease expired"));
        process.stop().await;
    }

    async fn two_expired_leases_of_one_key_are_rescued_together(db: TestDb) {
        const DEAD: Sql = Sql::both(
            "UPDATE jobs SET owner = 'node_dead', lease_until = 0, started_at = 0, attempt = 1, fence = 1 WHERE id = $1",
        );
        for _ in 0..2 {
            let job = Puppet { does: Does::Complete, key: Some("key".to_owned()) };
            let id = db.enqueue(NewJob::of("default", &job).unwrap()).await.id;
            db.execute(DEAD, args![&id]).await;
        }
        let process = Running::start(&db.env, |_| {});
        until("one has run and one is folded into it", || async {
            let completed = db.count("jobs_done WHERE state = 'completed'").await;
            let folded = db.count("jobs_done WHERE state = 'cancelled'").await;
            ((completed, folded) == (1, 1)).then_some(())
        })
        .await;
        process.stop().await;
    }

    async fn a_run_that_lost_its_lease_is_stopped_and_not_heard(db: TestDb) {
        const ROB: Sql = Sql::both("UPDATE jobs SET owner = 'node_thief', fence = fence + 1 WHERE id = $1");
        let process = Running::start(&db.env, |_| {});
        let id = db.enqueue(puppet(Does::Wait)).await.id;
        job_in(&db.env, &id, "running").await;
        db.execute(ROB, args![&id]).await;
        // The drain ends only when nothing runs, and by itself the puppet would wait for ever.
        process.stop().await;
        let row = job_in(&db.env, &id, "running").await;
        assert_eq!(row.owner.as_deref(), Some("node_thief"));
    }

    async fn a_claim_whose_answer_was_lost_is_given_back(db: TestDb) {
        const CLAIMED: Sql = Sql::both(
            "UPDATE jobs SET owner = $2, lease_until = $3, started_at = $3, attempt = 1, fence = 1 WHERE id = $1",
        );
        let id = db.enqueue(puppet(Does::Complete)).await.id;
        let mut owner = String::new();
        let process = Running::start(&db.env, |options| {
            options.lease = Duration::from_secs(3);
            // Otherwise a lane would be faster than we are.
            options.slots = Some(BTreeMap::new());
            owner.clone_from(&options.node.id);
        });
        let far = db.now().plus(Duration::from_hours(1));
        db.execute(CLAIMED, args![&id, &owner, far]).await;
        let back = job_in(&db.env, &id, "available").await;
        assert_eq!((back.attempt, back.owner), (0, None));
        process.stop().await;
    }
}
