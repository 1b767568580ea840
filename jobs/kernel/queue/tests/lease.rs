//! Leases: what is renewed stays, what expires returns, and a job that kills its process cannot circulate.

use std::time::Duration;

use crate::{
    both,
    kernel::{
        db::Sql,
        queue::{
            Claimed, Outcome,
            claim::{Claim, claim},
            lease::{self, Held, Node},
        },
        test_jobs::{
            LEASE, Plain, Waiting, ask_to_cancel, claim_one, claim_some, completed, done, end,
            jobs, renew, settle, wanted,
        },
    },
    testing::TestDb,
};

const MOMENT: Duration = Duration::from_millis(1);

/// What a node hears of `job`, claimed when the clock stood at the beginning.
fn holding(job: &Claimed, cancel: bool) -> Held {
    Held {
        id: job.id.clone(),
        fence: job.fence,
        cancel,
        started_at: job.due_at,
        in_line: true,
    }
}

async fn rescue(db: &TestDb) -> u64 {
    lease::rescue(&db.db, db.now()).await.unwrap()
}

both! {
    async fn a_renewed_lease_does_not_expire(db: TestDb) {
        db.enqueue(Plain::with("a")).await;
        let job = claim_one(&db, "a").await;
        db.advance(LEASE);
        assert_eq!(rescue(&db).await, 0, "not at its last moment");
        let held = renew(&db, "a").await;
        assert_eq!(held, [holding(&job, false)]);
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
        let held = |cancel| [holding(&job, cancel)];
        assert_eq!(lease::held(&db.db, "a").await.unwrap(), held(false));
        ask_to_cancel(&db, &job.id).await;
        assert_eq!(lease::held(&db.db, "a").await.unwrap(), held(true));
        assert_eq!(renew(&db, "a").await, held(true));
        assert!(lease::held(&db.db, "nobody").await.unwrap().is_empty());
        // Asking does not extend.
        db.advance(LEASE + MOMENT);
        lease::held(&db.db, "b").await.unwrap();
        assert_eq!(rescue(&db).await, 2);
    }

    async fn a_renewal_takes_all_leases_together_and_leaves_out_what_has_ended(db: TestDb) {
        for key in ["a", "b", "c"] {
            db.enqueue(Plain::with(key)).await;
        }
        let jobs = claim_some(&db, "a", 2).await;
        let last = claim_one(&db, "a").await;
        settle(&db, &[completed(&jobs[0])]).await;
        assert_eq!(db.count("job_leases").await, 2);
        assert_eq!(renew(&db, "a").await, [holding(&jobs[1], false), holding(&last, false)]);
        assert_eq!(db.count("job_leases").await, 1);
        settle(&db, &[completed(&jobs[1]), completed(&last)]).await;
        assert!(renew(&db, "a").await.is_empty());
        assert_eq!(db.count("job_leases").await, 0);
    }

    async fn a_job_that_waits_again_is_covered_by_its_last_lease_only(db: TestDb) {
        db.enqueue(Plain::with("a")).await;
        db.enqueue(Plain::with("b")).await;
        let first = claim_some(&db, "a", 2).await;
        let back = end(&first[0], Outcome::GivenBack);
        settle(&db, &[back]).await;
        let again = claim_one(&db, "a").await;
        assert_eq!(again.id, first[0].id);
        assert_eq!(db.count("jobs_running").await, 2, "the older lease names it, too");
        assert_eq!(db.count("jobs_running WHERE fence = 2").await, 1);
    }

    async fn a_lease_is_forgotten_by_a_later_claim(db: TestDb) {
        db.enqueue(Plain::with("a")).await;
        let first = wanted(&db, "a", 1);
        let mut tx = db.db.begin().await.unwrap();
        let jobs = claim(&mut tx, &first).await.unwrap().jobs;
        tx.commit().await.unwrap();
        settle(&db, &[completed(&jobs[0])]).await;
        db.enqueue(Plain::with("b")).await;
        let spent = [first.lease_id];
        let second = Claim { spent: &spent, ..wanted(&db, "a", 1) };
        let mut tx = db.db.begin().await.unwrap();
        claim(&mut tx, &second).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(db.count(&format!("job_leases WHERE id = '{}'", second.lease_id)).await, 1);
        assert_eq!(db.count("job_leases").await, 1);
    }

    async fn a_job_that_steps_out_of_the_line_runs_on_and_can_wait_again(db: TestDb) {
        db.enqueue(Plain::with("a")).await;
        let job = claim_one(&db, "a").await;
        lease::step_out(&db.db, "b", &[&job.id]).await.unwrap();
        assert_eq!(db.count("jobs WHERE in_line").await, 1, "another node's job");
        lease::step_out(&db.db, "a", &[&job.id]).await.unwrap();
        assert_eq!(renew(&db, "a").await, [Held { in_line: false, ..holding(&job, false) }]);
        assert_eq!(db.count("jobs WHERE in_line").await, 0);
        settle(&db, &[end(&job, Outcome::GivenBack)]).await;
        assert_eq!(claim_one(&db, "b").await.id, job.id);
    }

    async fn a_node_that_slept_through_its_lease_hears_that_it_holds_nothing(db: TestDb) {
        db.enqueue(Plain::with("a")).await;
        claim_one(&db, "a").await;
        db.advance(LEASE + MOMENT);
        rescue(&db).await;
        assert!(renew(&db, "a").await.is_empty());
        claim_one(&db, "b").await;
        assert!(renew(&db, "a").await.is_empty());
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
