//! Enqueuing: a job exists exactly when its transaction committed, and equal keys fold.

use std::{collections::BTreeSet, time::Duration};

use tokio::task::JoinSet;

use super::{
    Env,
    outbox::{self, Enqueued, NewJob},
    queue::Outcome,
    test_jobs::{
        Exclusive, Hourly, Live, Plain, Waiting, claim_freed, claim_one, claim_some, completed,
        end, jobs, settle,
    },
};
use crate::{both, testing::TestDb};

async fn enqueue_many(env: &Env, new: Vec<NewJob>) -> Vec<Enqueued> {
    let mut tx = env.db.begin().await.unwrap();
    let done = outbox::enqueue_many(&mut tx, env, new).await.unwrap();
    tx.commit().await.unwrap();
    done
}

/// Enqueues the same key from many processes at once.
async fn crowd(db: &TestDb, new: fn(&str) -> NewJob) -> Vec<Enqueued> {
    let nodes = [
        db.node().await,
        db.node().await,
        db.node().await,
        db.node().await,
    ];
    let mut crowd = JoinSet::new();
    for at in 0..20 {
        let env = nodes[at % nodes.len()].clone();
        crowd.spawn(async move {
            let mut tx = env.db.begin().await.unwrap();
            let done = outbox::enqueue(&mut tx, &env, new("k")).await.unwrap();
            tx.commit().await.unwrap();
            done
        });
    }
    crowd.join_all().await
}

fn one_winner(answers: &[Enqueued]) {
    let ids: BTreeSet<_> = answers.iter().map(|answer| &answer.id).collect();
    assert_eq!(ids.len(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| !answer.folded).count(), 1);
}

both! {
    async fn a_job_exists_if_and_only_if_its_transaction_commits(db: TestDb) {
        let mut tx = db.db.begin().await.unwrap();
        outbox::enqueue(&mut tx, &db, Plain::with("a")).await.unwrap();
        assert!(jobs(&db).await.is_empty(), "not before the commit");
        drop(tx);
        assert!(jobs(&db).await.is_empty(), "not after a rollback");
        let enqueued = db.enqueue(Plain::with("b")).await;
        assert!(!enqueued.folded);
        assert_eq!(jobs(&db).await[0].id, enqueued.id);
    }

    async fn jobs_without_a_key_never_fold(db: TestDb) {
        let answers = enqueue_many(&db, vec![Plain::with("a"), Plain::with("a")]).await;
        assert!(answers.iter().all(|answer| !answer.folded));
        assert_eq!(jobs(&db).await.len(), 2);
    }

    async fn twenty_with_one_key_at_once_are_one_waiting_job(db: TestDb) {
        one_winner(&crowd(&db, Waiting::with).await);
        assert_eq!(jobs(&db).await.len(), 1);
    }

    async fn twenty_with_one_key_at_once_are_one_live_job(db: TestDb) {
        one_winner(&crowd(&db, Live::with).await);
        assert_eq!(jobs(&db).await.len(), 1);
    }

    async fn twenty_with_one_key_at_once_are_one_job_of_the_window(db: TestDb) {
        one_winner(&crowd(&db, Hourly::with).await);
        assert_eq!(jobs(&db).await.len(), 1);
    }

    async fn a_waiting_key_is_free_again_when_its_job_runs(db: TestDb) {
        let first = db.enqueue(Waiting::with("k")).await;
        assert_eq!(db.enqueue(Waiting::with("k")).await, Enqueued { id: first.id.clone(), folded: true });
        assert!(!db.enqueue(Waiting::with("other")).await.folded);
        let running = claim_one(&db, "a").await;
        assert_eq!(running.id, first.id);
        // A change that comes while the job runs may have been missed by it.
        assert!(!db.enqueue(Waiting::with("k")).await.folded);
    }

    async fn which_jobs_wait_is_told_for_each(db: TestDb) {
        let asked = [Plain::with("a"), Waiting::with("k"), Waiting::with("other"), Live::with("k")];
        assert_eq!(outbox::waiting(&db.db, &asked).await.unwrap(), [false; 4]);
        for job in [Plain::with("a"), Waiting::with("k"), Live::with("k")] {
            db.enqueue(job).await;
        }
        assert_eq!(outbox::waiting(&db.db, &asked).await.unwrap(), [false, true, false, false]);
        for _ in 0..3 {
            claim_one(&db, "a").await;
        }
        assert_eq!(outbox::waiting(&db.db, &asked).await.unwrap(), [false; 4], "they run");
        assert_eq!(outbox::waiting(&db.db, &[]).await.unwrap(), [false; 0]);
    }

    async fn a_live_key_is_taken_until_its_job_ends(db: TestDb) {
        let first = db.enqueue(Live::with("k")).await;
        let running = claim_one(&db, "a").await;
        assert_eq!(db.enqueue(Live::with("k")).await, Enqueued { id: first.id, folded: true });
        settle(&db, &[completed(&running)]).await;
        assert!(!db.enqueue(Live::with("k")).await.folded);
    }

    async fn a_window_is_taken_for_its_time_whatever_becomes_of_the_job(db: TestDb) {
        let first = db.enqueue(Hourly::with("k")).await;
        let running = claim_one(&db, "a").await;
        settle(&db, &[completed(&running)]).await;
        db.advance(Duration::from_mins(59));
        assert_eq!(db.enqueue(Hourly::with("k")).await, Enqueued { id: first.id, folded: true });
        db.advance(Duration::from_mins(1));
        assert!(!db.enqueue(Hourly::with("k")).await.folded);
        assert_eq!(jobs(&db).await.len(), 1);
    }

    async fn a_window_is_free_again_when_its_transaction_rolls_back(db: TestDb) {
        let mut tx = db.db.begin().await.unwrap();
        outbox::enqueue(&mut tx, &db, Hourly::with("k")).await.unwrap();
        drop(tx);
        assert!(!db.enqueue(Hourly::with("k")).await.folded);
    }

    async fn who_folds_into_a_failing_job_has_all_attempts(db: TestDb) {
        db.enqueue(Waiting::with("k")).await;
        let job = claim_one(&db, "a").await;
        let later = Outcome::Retry { due_at: db.now().plus(Duration::from_hours(1)), error: "no".to_owned() };
        settle(&db, &[end(&job, later)]).await;
        assert!(db.enqueue(Waiting::with("k")).await.folded);
        let row = jobs(&db).await.remove(0);
        assert_eq!((row.attempt, row.due_at), (0, db.now()));
        assert_eq!(claim_one(&db, "a").await.fence, 2, "late words about the first run stay unheard");
    }

    async fn folding_moves_the_start_forward_never_back(db: TestDb) {
        let (now, soon, late) = (db.now(), db.now().plus(Duration::from_secs(5)), db.now().plus(Duration::from_mins(5)));
        db.enqueue(Waiting::with("k").due(soon)).await;
        db.enqueue(Waiting::with("k").due(late)).await;
        assert_eq!(jobs(&db).await[0].due_at, soon);
        db.enqueue(Waiting::with("k").due(now)).await;
        assert_eq!(jobs(&db).await[0].due_at, now);
    }

    async fn keys_of_other_organizations_and_kinds_are_other_keys(db: TestDb) {
        let other = NewJob::of("other", &Waiting { key: "k".to_owned() }).unwrap();
        let answers = enqueue_many(&db, vec![Waiting::with("k"), other, Exclusive::with("k")]).await;
        assert!(answers.iter().all(|answer| !answer.folded), "{answers:?}");
    }

    async fn a_batch_folds_into_itself_and_answers_in_order(db: TestDb) {
        let held = db.enqueue(Waiting::with("held")).await;
        let answers = enqueue_many(&db, vec![
            Waiting::with("a"), Plain::with("a"), Waiting::with("held"), Waiting::with("a"), Hourly::with("a"),
            Live::with("a"), Hourly::with("a"), Live::with("a"),
        ]).await;
        let folded: Vec<_> = answers.iter().map(|answer| answer.folded).collect();
        assert_eq!(folded, [false, false, true, true, false, false, true, true]);
        assert_eq!(answers[3].id, answers[0].id);
        assert_eq!(answers[2].id, held.id);
        assert_eq!(answers[6].id, answers[4].id);
        assert_eq!(answers[7].id, answers[5].id);
        assert_eq!(jobs(&db).await.len(), 5);
    }

    async fn a_batch_larger_than_a_statement_is_enqueued_whole(db: TestDb) {
        let count = crate::kernel::limits::ENQUEUE_BATCH_MAX + 1;
        let answers = enqueue_many(&db, (0..count).map(|at| Waiting::with(&format!("k{at}"))).collect()).await;
        let ids: BTreeSet<_> = answers.into_iter().map(|answer| answer.id).collect();
        assert_eq!(ids.len(), count);
        assert_eq!(db.count("jobs").await, i64::try_from(count).unwrap());
    }

    async fn jobs_start_by_priority_then_due_time_then_id(db: TestDb) {
        let now = db.now();
        let mut expected = Vec::new();
        for (priority, ago) in [(5, 0), (0, 1), (0, 9), (-5, 0), (5, 9), (0, 1)] {
            let due = now.minus(Duration::from_secs(ago));
            let job = db.enqueue(Plain::with("a").priority(priority).due(due)).await;
            expected.push((priority, due, job.id));
        }
        expected.sort();
        for (_, _, id) in &expected[..3] {
            assert_eq!(claim_one(&db, "a").await.id, *id);
        }
        let rest: Vec<_> = claim_some(&db, "a", 10).await.into_iter().map(|job| job.id).collect();
        let expected: Vec<_> = expected[3..].iter().map(|job| job.2.clone()).collect();
        assert_eq!(rest, expected);
    }

    async fn arguments_that_are_too_large_are_refused(db: TestDb) {
        let large = Plain { key: "x".repeat(crate::kernel::limits::JOB_ARGS_BYTES_MAX) };
        let refused = NewJob::of("default", &large).unwrap_err().to_string();
        assert!(refused.contains("test.plain") && refused.contains("pass ids"), "{refused}");
        assert!(jobs(&db).await.is_empty());
    }
}

/// SQLite has one writer, so there nothing can be claimed while the folding transaction is open.
#[tokio::test]
async fn a_job_folded_into_is_claimed_only_after_the_fold_commits() {
    let db = TestDb::postgres().await;
    for (new, commits) in [
        (Waiting::with as fn(&str) -> NewJob, true),
        (Waiting::with, false),
        (Live::with, true),
    ] {
        let key = db.chance.id("key", db.now());
        let first = db.enqueue(new(&key)).await;
        let mut tx = db.db.begin().await.unwrap();
        assert!(
            outbox::enqueue(&mut tx, &db, new(&key))
                .await
                .unwrap()
                .folded
        );
        assert!(
            claim_some(&db, "a", 10).await.is_empty(),
            "the run would not see the change"
        );
        if commits {
            tx.commit().await.unwrap();
        } else {
            drop(tx);
        }
        assert_eq!(claim_freed(&db, "a", 1).await[0].id, first.id);
    }
}
