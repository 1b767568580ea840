//! Leases: what is renewed stays, what expires returns, and a job that kills its process cannot circulate.

use std::time::Duration;

use crate::{
    both,
    kernel::{
        db::Sql,
        queue::lease::{self, Held, Node},
        test_jobs::{LEASE, Plain, Waiting, ask_to_cancel, claim_one, claim_some, done, jobs},
    },
    testing::TestDb,
};

const MOMENT: Duration = Duration::from_millis(1);

async fn rescue(db: &TestDb) -> u64 {
    lease::rescue(&db.db, db.now()).await.unwrap()
}

both! {
    async fn a_renewed_lease_does_not_expire(db: TestDb) {
        db.enqueue(Plain::with("a")).await;
        let job = claim_one(&db, "a").await;
        db.advance(LEASE);
        assert_eq!(rescue(&db).await, 0, "not at its last moment");
        let held = lease::renew(&db.db, "a", db.now().plus(LEASE)).await.unwrap();
        assert_eq!(held, [Held { id: job.id, fence: job.fence, cancel: false }]);
        db.advance(LEASE);
        assert_eq!(rescue(&db).await, 0);
        db.advance(MOMENT);
        assert_eq!(rescue(&db).await, 1);
    }

    async fn a_node_hears_what_it_holds_and_what_it_should_cancel(db: TestDb) {
        db.enqueue(Plain::with("a")).await;
        let job = claim_one(&db, "a").await;
        db.enqueue(Plain::with("b")).await;
        claim_one(&db, "b").await;
        let held = |cancel| [Held { id: job.id.clone(), fence: job.fence, cancel }];
        assert_eq!(lease::held(&db.db, "a").await.unwrap(), held(false));
        ask_to_cancel(&db, &job.id).await;
        assert_eq!(lease::held(&db.db, "a").await.unwrap(), held(true));
        assert_eq!(lease::renew(&db.db, "a", db.now().plus(LEASE)).await.unwrap(), held(true));
        assert!(lease::held(&db.db, "nobody").await.unwrap().is_empty());
        // Asking does not extend.
        db.advance(LEASE + MOMENT);
        lease::held(&db.db, "b").await.unwrap();
        assert_eq!(rescue(&db).await, 2);
    }

    async fn a_node_that_slept_through_its_lease_hears_that_it_holds_nothing(db: TestDb) {
        db.enqueue(Plain::with("a")).await;
        claim_one(&db, "a").await;
        db.advance(LEASE + MOMENT);
        rescue(&db).await;
        assert!(lease::renew(&db.db, "a", db.now().plus(LEASE)).await.unwrap().is_empty());
        claim_one(&db, "b").await;
        assert!(lease::renew(&db.db, "a", db.now().plus(LEASE)).await.unwrap().is_empty());
    }

    async fn an_expired_job_returns_with_its_attempt_counted_until_the_last(db: TestDb) {
        db.enqueue(Plain::with("a")).await;
        for attempt in 1..=2 {
            assert_eq!(claim_one(&db, "a").await.attempt, attempt);
            db.advance(LEASE + MOMENT);
            assert_eq!(rescue(&db).await, 1);
        }
        assert!(jobs(&db).await.is_empty(), "it has two attempts");
        let done = done(&db).await;
        assert_eq!(done[0].state, "discarded");
        assert!(done[0].error.as_deref().is_some_and(|error| error.contains("lease expired")));
        assert_eq!(db.count("job_attempts").await, 2);
    }

    async fn several_nodes_rescue_each_job_once(db: TestDb) {
        for key in 0..50 {
            db.enqueue(Plain::with(&key.to_string())).await;
        }
        assert_eq!(claim_some(&db, "dead", 50).await.len(), 50);
        db.advance(LEASE + MOMENT);
        let (one, two, three) = (db.node().await, db.node().await, db.node().await);
        let now = db.now();
        let (one, two, three) = tokio::join!(
            lease::rescue(&one.db, now), lease::rescue(&two.db, now), lease::rescue(&three.db, now));
        assert_eq!(one.unwrap() + two.unwrap() + three.unwrap(), 50);
        assert_eq!(db.count("job_attempts").await, 50);
        assert!(jobs(&db).await.iter().all(|job| job.owner.is_none() && job.attempt == 1));
    }

    async fn a_dead_node_with_two_jobs_of_one_key_is_rescued(db: TestDb) {
        db.enqueue(Waiting::with("k")).await;
        claim_one(&db, "dead").await;
        db.enqueue(Waiting::with("k")).await;
        claim_one(&db, "dead").await;
        db.advance(LEASE + MOMENT);
        assert_eq!(rescue(&db).await, 2);
        assert_eq!((jobs(&db).await.len(), done(&db).await.len()), (1, 1));
    }

    async fn a_job_cancelled_on_a_node_that_died_does_not_run_again(db: TestDb) {
        db.enqueue(Plain::with("a")).await;
        let job = claim_one(&db, "dead").await;
        ask_to_cancel(&db, &job.id).await;
        db.advance(LEASE + MOMENT);
        assert_eq!(rescue(&db).await, 1);
        assert_eq!(done(&db).await[0].state, "cancelled");
    }

    async fn nodes_are_listed_until_they_have_been_dead_for_a_day(db: TestDb) {
        let node = |id: &str| Node {
            id: id.to_owned(),
            name: "host".to_owned(),
            roles: "api,worker".to_owned(),
            version: "0".to_owned(),
            started_at: db.now(),
        };
        let (one, two) = (node("node_1"), node("node_2"));
        lease::beat(&db.db, &one, db.now()).await.unwrap();
        lease::beat(&db.db, &two, db.now()).await.unwrap();
        lease::stopped(&db.db, "node_1", db.now()).await.unwrap();
        let stopped = Sql::both("SELECT id FROM nodes WHERE stopped_at IS NOT NULL");
        assert_eq!(db.rows::<(String,)>(stopped, &[]).await, [("node_1".to_owned(),)]);
        db.advance(Duration::from_hours(24) + MOMENT);
        lease::beat(&db.db, &two, db.now()).await.unwrap();
        assert_eq!(db.count("nodes").await, 1);
    }
}
