//! Several processes on one database.

use memberd_jobs::{
    args, both,
    kernel::{Timestamp, db::Sql},
};

use super::*;

/// Jobs that two processes share.
const SHARED: usize = 500;

/// As if `owner` had claimed the jobs under one lease.
async fn run_on(db: &TestDb, jobs: &[String], owner: &str, until: Timestamp) {
    const CLAIM: Sql = Sql::both(
        "UPDATE jobs SET owner = $2, started_at = $3, attempt = 1, fence = 1 WHERE id = $1",
    );
    const TAKE: Sql = Sql::both(
        "INSERT INTO job_leases (id, queue, owner, until_at, jobs) VALUES ('lease_1', 'default', $1, $2, $3)
         ON CONFLICT (id) DO UPDATE SET jobs = excluded.jobs",
    );
    for id in jobs {
        db.execute(CLAIM, args![id, owner, until]).await;
    }
    let fences: BTreeMap<_, _> = jobs.iter().map(|id| (id, 1)).collect();
    let jobs = serde_json::to_string(&fences).unwrap();
    db.execute(TAKE, args![owner, until, jobs]).await;
}

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

    /// One process has more long jobs than slots, the other has nothing to do and looks for expired leases all the time.
    async fn long_jobs_stay_where_they_are_beside_an_idle_process(db: TestDb) {
        const LEASE: Duration = Duration::from_millis(1_500);
        const LEASES: u32 = 4;
        let name = |name: &'static str| move |options: &mut Options| {
            options.node.id = name.to_owned();
            options.lease = LEASE;
        };
        let busy = Running::start(&db.node().await, name("node_busy"));
        let jobs = enqueue(&db.env, SLOTS, Does::Wait).await;
        let slots = i64::try_from(SLOTS).unwrap();
        until("all slots are taken", || async {
            (db.count("jobs WHERE owner = 'node_busy'").await == slots).then_some(())
        })
        .await;
        let idle = Running::start(&db.node().await, name("node_idle"));
        until("the idle process is there", || async { (db.count("nodes").await == 2).then_some(()) }).await;
        // The clock goes on for several leases, each time half of one after all have been renewed.
        for _ in 0..2 * LEASES {
            db.advance(LEASE / 2);
            let until_at = db.now().plus(LEASE).0;
            let renewed = format!("jobs_running JOIN job_leases AS l ON l.id = lease_id WHERE until_at = {until_at}");
            until("all leases are renewed", || async { (db.count(&renewed).await == slots).then_some(()) }).await;
            let beaten = format!("nodes WHERE beat_at = {}", db.now().0);
            until("both have looked", || async { (db.count(&beaten).await == 2).then_some(()) }).await;
        }
        let untouched = "jobs WHERE owner = 'node_busy' AND attempt = 1 AND fence = 1";
        assert_eq!(db.count(untouched).await, slots);
        // What does not fit into the busy process goes to the idle one.
        let more = enqueue(&db.env, 1, Does::Complete).await;
        job_in(&db.env, &more[0], "completed").await;
        for id in &jobs {
            act_on(&db, id, admin::Action::Cancel).await;
        }
        for id in &jobs {
            job_in(&db.env, id, "cancelled").await;
        }
        busy.stop().await;
        idle.stop().await;
        assert_eq!(db.count("job_attempts").await, 0);
        assert_eq!(db.count("jobs_done WHERE attempt = 1 AND fence = 1").await, slots + 1);
    }

    async fn a_job_that_runs_for_long_steps_out_of_the_line(db: TestDb) {
        let process = Running::start(&db.env, |options| options.lease = Duration::from_mins(5));
        let id = enqueue(&db.env, 1, Does::Wait).await.remove(0);
        job_in(&db.env, &id, "running").await;
        db.advance(Duration::from_secs(2));
        until("it is out of the line", || async { (db.count("jobs WHERE NOT in_line").await == 1).then_some(()) }).await;
        act_on(&db, &id, admin::Action::Cancel).await;
        job_in(&db.env, &id, "cancelled").await;
        process.stop().await;
    }

    async fn the_job_of_a_dead_process_is_rescued_and_counts_as_an_attempt(db: TestDb) {
        let id = db.enqueue(puppet(Does::Complete)).await.id;
        run_on(&db, std::slice::from_ref(&id), "node_dead", Timestamp(0)).await;
        let process = Running::start(&db.env, |_| {});
        let done = job_in(&db.env, &id, "completed").await;
        assert_eq!(done.attempt, 2);
        assert!(last_error(&db.env, &id).await.contains("lease expired"));
        process.stop().await;
    }

    async fn two_expired_leases_of_one_key_are_rescued_together(db: TestDb) {
        let mut jobs = Vec::new();
        for _ in 0..2 {
            let job = Puppet { does: Does::Complete, key: Some("key".to_owned()) };
            jobs.push(db.enqueue(NewJob::of("default", &job).unwrap()).await.id);
            run_on(&db, &jobs, "node_dead", Timestamp(0)).await;
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
        let id = db.enqueue(puppet(Does::Complete)).await.id;
        let mut owner = String::new();
        let process = Running::start(&db.env, |options| {
            options.lease = Duration::from_secs(3);
            // Otherwise a lane would be faster than we are.
            options.slots = Some(BTreeMap::new());
            owner.clone_from(&options.node.id);
        });
        let far = db.now().plus(Duration::from_hours(1));
        run_on(&db, std::slice::from_ref(&id), &owner, far).await;
        let back = job_in(&db.env, &id, "available").await;
        assert_eq!((back.attempt, back.owner), (0, None));
        process.stop().await;
    }
}
