//! A job is claimed once, when it is due, within the limits of its queue.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::task::JoinSet;

use crate::{
    args, both,
    kernel::{
        Env,
        db::Sql,
        outbox,
        queue::{Queue, admin, claim},
        test_jobs::{
            Exclusive, Plain, claim_freed, claim_one, claim_some, completed, jobs, settle, wanted,
        },
    },
    testing::TestDb,
};

const LIMIT: Sql = Sql::both(
    "INSERT INTO queues (name, paused_at, concurrency, max_running, rate_per_second)
     VALUES ('default', $1, $2, $3, $4)",
);

async fn limit(
    db: &TestDb,
    paused: Option<i64>,
    slots: Option<i64>,
    running: Option<i64>,
    rate: Option<i64>,
) {
    db.execute(LIMIT, args![paused, slots, running, rate]).await;
}

async fn enqueue(db: &TestDb, count: usize) {
    let mut tx = db.db.begin().await.unwrap();
    let jobs = (0..count).map(|at| Plain::with(&at.to_string())).collect();
    outbox::enqueue_many(&mut tx, db, jobs).await.unwrap();
    tx.commit().await.unwrap();
}

/// Four processes with two workers each claim until nothing is due; answers the ids of all claims.
async fn crowd(db: &TestDb, batch: i64) -> Vec<String> {
    let mut crowd = JoinSet::new();
    for node in 0..4 {
        let env = db.node().await;
        for _ in 0..2 {
            let env = env.clone();
            crowd.spawn(async move { claim_all(&env, &format!("node_{node}"), batch).await });
        }
    }
    crowd.join_all().await.concat()
}

async fn claim_all(env: &Env, owner: &str, batch: i64) -> Vec<String> {
    let mut claimed = Vec::new();
    loop {
        let jobs = claim_some(env, owner, batch).await;
        if jobs.is_empty() {
            return claimed;
        }
        claimed.extend(jobs.into_iter().map(|job| job.id));
    }
}

both! {
    async fn eight_claimers_take_each_of_500_jobs_once(db: TestDb) {
        enqueue(&db, 500).await;
        let claims = crowd(&db, 7).await;
        let ids: BTreeSet<_> = claims.iter().collect();
        assert_eq!((claims.len(), ids.len()), (500, 500));
        assert!(jobs(&db).await.iter().all(|job| job.attempt == 1 && job.fence == 1 && job.owner.is_some()));
    }

    async fn a_job_waits_until_it_is_due(db: TestDb) {
        db.enqueue(Plain::with("a").due(db.now().plus(Duration::from_millis(1)))).await;
        assert!(claim_some(&db, "a", 10).await.is_empty());
        db.advance(Duration::from_millis(1));
        assert_eq!(claim_some(&db, "a", 10).await.len(), 1);
    }

    async fn a_claim_takes_no_more_than_the_free_slots_and_tells_of_more(db: TestDb) {
        enqueue(&db, 5).await;
        let mut tx = db.db.begin().await.unwrap();
        let round = claim::claim(&mut tx, &wanted(&db, "a", 3)).await.unwrap();
        assert_eq!((round.jobs.len(), round.more), (3, true));
        let round = claim::claim(&mut tx, &wanted(&db, "a", 3)).await.unwrap();
        assert_eq!((round.jobs.len(), round.more), (2, false));
        drop(tx);
        claim_freed(&db, "b", 5).await;
        assert_eq!(jobs(&db).await[0].attempt, 1, "a claim that rolls back gives all back");
    }

    async fn a_round_is_bounded_however_many_slots_are_free(db: TestDb) {
        let most = crate::kernel::limits::ROUND_JOBS_MAX;
        enqueue(&db, most + 1).await;
        assert!(claim::any_due(&db.db, Queue::Default, db.now()).await.unwrap());
        assert_eq!(claim_some(&db, "a", 100_000).await.len(), most);
        assert_eq!(claim_some(&db, "a", 100_000).await.len(), 1);
        assert!(!claim::any_due(&db.db, Queue::Default, db.now()).await.unwrap());
    }

    async fn other_queues_are_left_alone(db: TestDb) {
        enqueue(&db, 1).await;
        let mut tx = db.db.begin().await.unwrap();
        let other = claim::Claim { queue: Queue::Stripe, ..wanted(&db, "a", 9) };
        assert!(claim::claim(&mut tx, &other).await.unwrap().jobs.is_empty());
    }

    async fn a_paused_queue_hands_out_nothing(db: TestDb) {
        enqueue(&db, 2).await;
        limit(&db, Some(1), None, None, None).await;
        assert!(claim_some(&db, "a", 10).await.is_empty());
        db.execute(Sql::both("UPDATE queues SET paused_at = NULL"), &[]).await;
        assert_eq!(claim_some(&db, "a", 10).await.len(), 2);
    }

    async fn the_override_of_slots_counts_what_the_node_is_running(db: TestDb) {
        enqueue(&db, 10).await;
        limit(&db, None, Some(3), None, None).await;
        let mut tx = db.db.begin().await.unwrap();
        for (busy, expected) in [(1, 2), (3, 0), (5, 0), (0, 3)] {
            let claim = claim::Claim { busy, ..wanted(&db, "a", 100) };
            let found = claim::claim(&mut tx, &claim).await.unwrap().jobs.len();
            assert_eq!(found, expected, "with {busy} running");
        }
    }

    async fn the_cluster_never_runs_more_than_allowed(db: TestDb) {
        enqueue(&db, 50).await;
        limit(&db, None, None, Some(4), None).await;
        assert_eq!(crowd(&db, 3).await.len(), 4);
        let running = claim_some(&db, "late", 10).await;
        assert!(running.is_empty());
        let held: Vec<_> = jobs(&db).await.into_iter().filter(|job| job.owner.is_some()).collect();
        assert_eq!(held.len(), 4);
    }

    async fn a_rate_is_kept_over_any_number_of_nodes(db: TestDb) {
        enqueue(&db, 100).await;
        limit(&db, None, None, None, Some(5)).await;
        assert_eq!(crowd(&db, 2).await.len(), 5, "one second's worth at once");
        for (wait, expected) in [(0, 0), (1_000, 5), (199, 0), (1, 1), (60_000, 5)] {
            db.advance(Duration::from_millis(wait));
            assert_eq!(claim_some(&db, "a", 100).await.len(), expected, "after {wait} ms");
        }
    }

    async fn limits_that_people_set_hold_from_the_next_claim_on(db: TestDb) {
        enqueue(&db, 20).await;
        let mut tx = db.db.begin().await.unwrap();
        admin::set_max_running(&mut tx, Queue::Default, Some(3)).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(claim_some(&db, "a", 10).await.len() + claim_some(&db, "b", 10).await.len(), 3);
        let mut tx = db.db.begin().await.unwrap();
        admin::set_max_running(&mut tx, Queue::Default, None).await.unwrap();
        admin::set_rate(&mut tx, Queue::Default, Some(4), db.now()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(claim_some(&db, "a", 10).await.len(), 0, "a new rate begins with nothing");
        db.advance(Duration::from_millis(500));
        assert_eq!(claim_some(&db, "a", 10).await.len() + claim_some(&db, "b", 10).await.len(), 2);
        let mut tx = db.db.begin().await.unwrap();
        admin::set_rate(&mut tx, Queue::Default, None, db.now()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(claim_some(&db, "a", 100).await.len(), 15);
    }

    async fn a_clock_that_is_behind_does_not_fill_the_bucket_twice(db: TestDb) {
        enqueue(&db, 100).await;
        limit(&db, None, None, None, Some(5)).await;
        assert_eq!(claim_some(&db, "a", 100).await.len(), 5);
        db.advance(Duration::from_millis(400));
        assert_eq!(claim_some(&db, "a", 1).await.len(), 1);
        // A node whose clock is 300 ms behind takes the other token that is there.
        let behind = claim::Claim { now: db.now().minus(Duration::from_millis(300)), ..wanted(&db, "b", 1) };
        let mut tx = db.db.begin().await.unwrap();
        assert_eq!(claim::claim(&mut tx, &behind).await.unwrap().jobs.len(), 1);
        tx.commit().await.unwrap();
        assert_eq!(claim_some(&db, "a", 1).await.len(), 0, "the 300 ms have been counted");
    }

    async fn an_exclusive_job_waits_while_its_key_runs(db: TestDb) {
        db.enqueue(Exclusive::with("k")).await;
        let running = claim_one(&db, "a").await;
        assert!(!db.enqueue(Exclusive::with("k")).await.folded);
        db.enqueue(Exclusive::with("other")).await;
        let claimed = claim_some(&db, "b", 10).await;
        assert_eq!(claimed.len(), 1);
        assert!(claimed[0].args.contains("other"));
        settle(&db, &[completed(&running)]).await;
        assert_eq!(claim_some(&db, "b", 10).await.len(), 1);
    }

    async fn exclusive_jobs_never_overlap_under_load(db: TestDb) {
        let running = Arc::new(Mutex::new(BTreeSet::new()));
        let mut crowd = JoinSet::new();
        for node in 0..4 {
            let (env, running) = (db.node().await, Arc::clone(&running));
            crowd.spawn(async move { overlap(&env, &format!("node_{node}"), &running).await });
        }
        let ran: usize = crowd.join_all().await.into_iter().sum();
        assert!(ran > 20, "{ran} jobs ran");
    }
}

/// Enqueues, claims and completes; panics when a key runs twice at once. Answers how many jobs it ran.
async fn overlap(env: &Env, owner: &str, running: &Mutex<BTreeSet<String>>) -> usize {
    let mut ran = 0;
    for round in 0..20 {
        // One call, which orders its locks by key: three calls in any order could deadlock, and be told Busy.
        let keys = (0..3).map(|key| Exclusive::with(&((round + key) % 5).to_string()));
        let mut tx = env.db.begin().await.unwrap();
        outbox::enqueue_many(&mut tx, env, keys.collect())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let claimed = claim_some(env, owner, 2).await;
        for job in &claimed {
            assert!(
                running.lock().unwrap().insert(job.args.clone()),
                "{} runs twice",
                job.args
            );
        }
        tokio::task::yield_now().await;
        for job in &claimed {
            running.lock().unwrap().remove(&job.args);
        }
        let acks: Vec<_> = claimed.iter().map(completed).collect();
        assert_eq!(settle(env, &acks).await.stale, 0);
        ran += claimed.len();
    }
    ran
}
