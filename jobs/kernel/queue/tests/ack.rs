//! How runs end, and that only the holder of a claim is heard.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::{
    args, both,
    kernel::{
        db::Sql,
        queue::{Ack, Outcome, ack::Settled, admin, lease},
        test_jobs::{
            LEASE, Live, Plain, Waiting, ask_to_cancel, claim_one, claim_some, completed, done,
            end, jobs, settle,
        },
    },
    testing::TestDb,
};

const APPLIED: Settled = Settled {
    applied: 1,
    stale: 0,
    folded: 0,
};
const STALE: Settled = Settled {
    applied: 0,
    stale: 1,
    folded: 0,
};
const FOLDED: Settled = Settled {
    applied: 1,
    stale: 0,
    folded: 1,
};

const ATTEMPTS: Sql =
    Sql::both("SELECT fence, attempt, outcome, error FROM job_attempts ORDER BY job_id, fence");

fn retry(db: &TestDb, after: Duration) -> Outcome {
    Outcome::Retry {
        due_at: db.now().plus(after),
        error: "no".to_owned(),
    }
}

/// What the test of the history reads of a finished job.
type Found = (String, String, i64, String, String, i64, i64, i64, i64);

both! {
    async fn a_completed_job_leaves_with_its_report(db: TestDb) {
        db.enqueue(Plain::with("a")).await;
        let job = claim_one(&db, "a").await;
        let report = Some("{\"seen\":3}".to_owned());
        assert_eq!(settle(&db, &[end(&job, Outcome::Completed { report: report.clone() })]).await, APPLIED);
        assert!(jobs(&db).await.is_empty());
        let done = done(&db).await;
        assert_eq!((done[0].state.as_str(), &done[0].report, done[0].attempt), ("completed", &report, 1));
    }

    async fn a_cancelled_and_a_discarded_job_leave_with_the_reason(db: TestDb) {
        for outcome in [
            Outcome::Cancelled { error: "unwanted".to_owned() },
            Outcome::Discarded { error: "broken".to_owned() },
        ] {
            db.enqueue(Plain::with("a")).await;
            let job = claim_one(&db, "a").await;
            assert_eq!(settle(&db, &[end(&job, outcome)]).await, APPLIED);
        }
        let done = done(&db).await;
        assert_eq!((done[0].state.as_str(), done[0].error.as_deref()), ("cancelled", Some("unwanted")));
        assert_eq!((done[1].state.as_str(), done[1].error.as_deref()), ("discarded", Some("broken")));
        let logged: Vec<(i64, i64, String, String)> = db.rows(ATTEMPTS, &[]).await;
        assert_eq!(logged, [(1, 1, "discarded".to_owned(), "broken".to_owned())]);
    }

    async fn an_error_with_a_nul_holds_up_nobody(db: TestDb) {
        db.enqueue(Plain::with("a")).await;
        let job = claim_one(&db, "a").await;
        let error = "no \0such kind".to_owned();
        assert_eq!(settle(&db, &[end(&job, Outcome::Discarded { error })]).await, APPLIED);
        assert_eq!(done(&db).await[0].error.as_deref(), Some("no such kind"));
    }

    async fn a_retry_waits_and_counts_the_attempt(db: TestDb) {
        db.enqueue(Plain::with("a")).await;
        let job = claim_one(&db, "a").await;
        assert_eq!(settle(&db, &[end(&job, retry(&db, Duration::from_secs(9)))]).await, APPLIED);
        let row = jobs(&db).await.remove(0);
        assert_eq!((row.attempt, row.owner, row.due_at), (1, None, db.now().plus(Duration::from_secs(9))));
        let logged: Vec<(i64, i64, String, String)> = db.rows(ATTEMPTS, &[]).await;
        assert_eq!(logged, [(1, 1, "retry".to_owned(), "no".to_owned())]);
        db.advance(Duration::from_secs(9));
        assert_eq!(claim_one(&db, "a").await.attempt, 2);
    }

    async fn a_snooze_and_a_given_back_job_spend_no_attempt(db: TestDb) {
        db.enqueue(Plain::with("a")).await;
        let later = db.now().plus(Duration::from_mins(1));
        let job = claim_one(&db, "a").await;
        assert_eq!(settle(&db, &[end(&job, Outcome::Snooze { due_at: later })]).await, APPLIED);
        assert_eq!((jobs(&db).await[0].attempt, jobs(&db).await[0].due_at), (0, later));
        db.advance(Duration::from_mins(1));
        let job = claim_one(&db, "a").await;
        assert_eq!((job.attempt, job.fence), (1, 2));
        assert_eq!(settle(&db, &[end(&job, Outcome::GivenBack)]).await, APPLIED);
        let job = claim_one(&db, "b").await;
        assert_eq!((job.attempt, job.fence), (1, 3), "due at once, on any node");
        assert!(db.rows::<(i64, i64, String, String)>(ATTEMPTS, &[]).await.is_empty());
    }

    async fn an_acknowledgement_after_a_rescue_is_refused(db: TestDb) {
        db.enqueue(Plain::with("a")).await;
        let slept = claim_one(&db, "a").await;
        db.advance(LEASE + Duration::from_millis(1));
        assert_eq!(lease::rescue(&db.db, db.now()).await.unwrap(), 1);
        assert_eq!(settle(&db, &[completed(&slept)]).await, STALE, "it waits");
        let running = claim_one(&db, "b").await;
        assert_eq!(settle(&db, &[completed(&slept)]).await, STALE, "another runs it");
        assert_eq!(settle(&db, &[end(&slept, retry(&db, LEASE))]).await, STALE);
        assert_eq!(settle(&db, &[end(&slept, Outcome::GivenBack)]).await, STALE);
        assert_eq!(jobs(&db).await[0].owner.as_deref(), Some("b"));
        assert_eq!(settle(&db, &[completed(&running)]).await, APPLIED);
        assert_eq!(settle(&db, &[completed(&running)]).await, STALE, "once is enough");
        assert_eq!(done(&db).await.len(), 1);
    }

    async fn the_fence_tells_two_claims_of_one_attempt_and_owner_apart(db: TestDb) {
        db.enqueue(Plain::with("a")).await;
        let first = claim_one(&db, "a").await;
        settle(&db, &[end(&first, Outcome::GivenBack)]).await;
        let second = claim_one(&db, "a").await;
        assert_eq!((&first.owner, first.attempt), (&second.owner, second.attempt));
        assert_eq!(settle(&db, &[completed(&first)]).await, STALE);
        let forged = Ack { owner: "b".to_owned(), ..completed(&second) };
        assert_eq!(settle(&db, &[forged]).await, STALE);
        assert_eq!(settle(&db, &[completed(&second)]).await, APPLIED);
    }

    async fn a_revived_job_does_not_hear_the_acknowledgements_of_its_former_life(db: TestDb) {
        db.enqueue(Plain::with("a")).await;
        let former = claim_one(&db, "a").await;
        settle(&db, &[end(&former, Outcome::Discarded { error: "no".to_owned() })]).await;
        let mut tx = db.db.begin().await.unwrap();
        let ids = [former.id.clone()];
        admin::act(&mut tx, "default", admin::Action::Retry, &ids, db.now()).await.unwrap();
        tx.commit().await.unwrap();
        let job = claim_one(&db, "a").await;
        assert!(job.fence > former.fence);
        assert_eq!(settle(&db, &[completed(&former)]).await, STALE);
        assert_eq!(settle(&db, &[completed(&job)]).await, APPLIED);
    }

    async fn a_batch_ends_each_job_in_its_own_way(db: TestDb) {
        for key in ["a", "b", "c", "d", "e"] {
            db.enqueue(Plain::with(key)).await;
        }
        let jobs_held = claim_some(&db, "a", 10).await;
        let acks = [
            completed(&jobs_held[0]),
            end(&jobs_held[1], Outcome::Discarded { error: "no".to_owned() }),
            end(&jobs_held[2], retry(&db, LEASE)),
            end(&jobs_held[3], Outcome::Snooze { due_at: db.now() }),
            Ack { fence: 7, ..completed(&jobs_held[4]) },
        ];
        assert_eq!(settle(&db, &acks).await, Settled { applied: 4, stale: 1, folded: 0 });
        assert_eq!((jobs(&db).await.len(), done(&db).await.len()), (3, 2));
    }

    async fn a_retry_folds_into_a_waiting_twin_and_hastens_it(db: TestDb) {
        let first = db.enqueue(Waiting::with("k")).await;
        let running = claim_one(&db, "a").await;
        let late = db.now().plus(Duration::from_hours(1));
        let twin = db.enqueue(Waiting::with("k").due(late)).await;
        let soon = db.now().plus(Duration::from_secs(9));
        assert_eq!(settle(&db, &[end(&running, retry(&db, Duration::from_secs(9)))]).await, FOLDED);
        let left = jobs(&db).await;
        assert_eq!((left.len(), &left[0].id, left[0].due_at), (1, &twin.id, soon));
        let done = done(&db).await;
        assert_eq!((&done[0].id, done[0].state.as_str()), (&first.id, "cancelled"));
    }

    async fn of_two_running_twins_the_first_due_returns(db: TestDb) {
        db.enqueue(Waiting::with("k")).await;
        let one = claim_one(&db, "a").await;
        db.enqueue(Waiting::with("k")).await;
        let two = claim_one(&db, "a").await;
        let acks = [end(&one, retry(&db, LEASE)), end(&two, Outcome::GivenBack)];
        assert_eq!(settle(&db, &acks).await, Settled { applied: 2, stale: 0, folded: 1 });
        let left = jobs(&db).await;
        assert_eq!((left.len(), &left[0].id), (1, &two.id));
    }

    async fn live_jobs_return_beside_each_other(db: TestDb) {
        db.enqueue(Live::with("k")).await;
        db.enqueue(Live::with("other")).await;
        let held = claim_some(&db, "a", 10).await;
        let acks: Vec<_> = held.iter().map(|job| end(job, Outcome::GivenBack)).collect();
        assert_eq!(settle(&db, &acks).await, Settled { applied: 2, stale: 0, folded: 0 });
        assert!(db.enqueue(Live::with("k")).await.folded);
    }

    async fn a_job_cancelled_while_it_ran_does_not_wait_again(db: TestDb) {
        for outcome in [retry(&db, LEASE), Outcome::GivenBack, Outcome::Snooze { due_at: db.now() }] {
            db.enqueue(Plain::with("a")).await;
            let job = claim_one(&db, "a").await;
            ask_to_cancel(&db, &job.id).await;
            assert_eq!(settle(&db, &[end(&job, outcome)]).await, APPLIED);
            assert!(jobs(&db).await.is_empty());
        }
        assert!(done(&db).await.iter().all(|job| job.state == "cancelled"));
    }

    async fn a_finished_job_keeps_all_that_people_search_by(db: TestDb) {
        db.enqueue(Waiting::with("k").priority(3).fired_by("nightly", db.now())).await;
        let job = claim_one(&db, "a").await;
        settle(&db, &[completed(&job)]).await;
        let found = Sql::both(
            "SELECT kind, queue, priority, unique_key, schedule, created_at, started_at, finished_at, max_attempts
             FROM jobs_done");
        let row: Vec<Found> = db.rows(found, args![]).await;
        let (kind, now) = ("test.waiting".to_owned(), db.now().0);
        let key = "default:test.waiting:k".to_owned();
        assert_eq!(row, [(kind, "default".to_owned(), 3, key, "nightly".to_owned(), now, now, now, 2)]);
    }
}

/// A fresh twin that is being enqueued at this moment cannot be seen by the acknowledgement: one of the two waits for
/// the other, and what fails is tried again, as the worker does.
#[tokio::test]
async fn a_retry_and_a_twin_enqueued_at_once_leave_one_waiting_job() {
    let db = TestDb::postgres().await;
    for round in 0..10 {
        let key = format!("k{round}");
        db.enqueue(Waiting::with(&key)).await;
        let running = claim_one(&db, "a").await;
        let (other, again) = (db.node().await, db.node().await);
        let new_key = key.clone();
        let mut both = JoinSet::new();
        both.spawn(async move {
            let mut tx = other.db.begin().await.unwrap();
            crate::kernel::outbox::enqueue(&mut tx, &other, Waiting::with(&new_key))
                .await
                .unwrap();
            tx.commit().await.unwrap();
        });
        let ack = end(&running, Outcome::GivenBack);
        both.spawn(async move {
            for _ in 0..3 {
                let mut tx = again.db.begin().await.unwrap();
                let settled = crate::kernel::queue::ack::settle(
                    &mut tx,
                    again.now(),
                    std::slice::from_ref(&ack),
                )
                .await;
                if settled.is_ok() && tx.commit().await.is_ok() {
                    return;
                }
            }
            panic!("three tries were not enough");
        });
        both.join_all().await;
        let waiting = db
            .count(&format!(
                "jobs WHERE unique_key = 'default:test.waiting:{key}'"
            ))
            .await;
        assert_eq!(waiting, 1, "round {round}");
        claim_some(&db, "a", 10).await;
    }
}
