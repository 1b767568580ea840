//! Whole runs: completing with the business rows, and what the test harness does with failures.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{
    both,
    kernel::{
        Context, Job, JobDef, JobError, JobResult, Registry, Report,
        db::{Error, Tx, Woken},
        events::{self, Event},
        outbox::{self, NewJob},
        queue::{Claimed, Queue, lease},
        test_jobs::{Exclusive, LEASE, Plain, Waiting, claim_one, done, jobs, registry},
    },
    testing::{Drained, Engine, TestDb},
};

/// How long a bell may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn context(db: &TestDb, job: Claimed) -> Context {
    Context::new(db.env.clone(), job, CancellationToken::new())
}

/// A business row, as a job would write one.
async fn work(tx: &mut Tx, cx: &Context) {
    let event = Event {
        kind: "test.done",
        organization_id: "default".to_owned(),
        member_id: None,
        data: serde_json::json!({}),
    };
    events::emit(tx, &cx.env, &event).await.unwrap();
    outbox::enqueue(tx, &cx.env, Waiting::with("follow-up"))
        .await
        .unwrap();
}

/// Ends in the way its argument says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ends {
    how: String,
}

impl Job for Ends {
    const KIND: &'static str = "test.ends";
    const ABOUT: &'static str = "For tests.";

    async fn run(&self, cx: &Context) -> JobResult {
        match self.how.as_str() {
            "in" => {
                let mut tx = cx.env.db.begin().await?;
                work(&mut tx, cx).await;
                let report = Report::none().with("rows", 1);
                cx.complete_in(&mut tx, &report).await?;
                tx.commit().await?;
                Ok(report)
            }
            "retry" => Err(JobError::Retry(anyhow::anyhow!("not now"))),
            "after" => Err(JobError::RetryAfter(
                Duration::from_hours(3),
                anyhow::anyhow!("later"),
            )),
            "fail" => Err(JobError::Fail(anyhow::anyhow!("never"))),
            "snooze" => Err(JobError::Snooze(Duration::from_mins(5))),
            _ => Ok(Report::none()),
        }
    }
}

fn ends(how: &str) -> NewJob {
    NewJob::of(
        "default",
        &Ends {
            how: how.to_owned(),
        },
    )
    .unwrap()
}

fn kinds() -> Registry {
    registry().with(JobDef::of::<Ends>())
}

both! {
    async fn a_job_completes_in_one_transaction_with_its_rows_and_follow_ups(db: TestDb) {
        db.enqueue(ends("in")).await;
        let drained = db.drain(&kinds()).await;
        let both = Drained { completed: 2, by_themselves: 1, ..Drained::default() };
        assert_eq!(drained, both, "the job and its follow-up");
        let reports: Vec<_> = done(&db).await.into_iter().map(|job| job.report).collect();
        assert_eq!(reports, [Some("{\"rows\":1}".to_owned()), None]);
        assert_eq!(db.count("events").await, 1);
        assert!(jobs(&db).await.is_empty());
    }

    async fn an_exclusive_job_that_ends_itself_tells_who_waits_for_its_key(db: TestDb) {
        let stop = CancellationToken::new();
        let (listener, token) = (db.db.clone(), stop.clone());
        let listening = tokio::task::JoinSet::from_iter([async move { listener.listen(token).await }]);
        let rings = async || db.db.wakes().wait(Queue::Default, PATIENCE).await;
        if db.engine() == Engine::Postgres {
            // A listener rings once when it begins to listen.
            assert_eq!(rings().await, Woken::Rung);
        }
        db.enqueue(Exclusive::with("k")).await;
        assert_eq!(rings().await, Woken::Rung);
        let first = context(&db, claim_one(&db, "a").await);
        db.enqueue(Exclusive::with("k")).await;
        assert_eq!(rings().await, Woken::Rung);
        let mut tx = db.db.begin().await.unwrap();
        first.complete_in(&mut tx, &Report::none()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(rings().await, Woken::Rung, "the second job waits for the key");
        let second = context(&db, claim_one(&db, "b").await);
        let mut tx = db.db.begin().await.unwrap();
        second.complete_in(&mut tx, &Report::none()).await.unwrap();
        tx.commit().await.unwrap();
        let silent = db.db.wakes().wait(Queue::Default, Duration::from_millis(50)).await;
        assert_eq!(silent, Woken::Elapsed, "nobody waits for the key");
        stop.cancel();
        listening.join_all().await;
    }

    async fn a_job_that_lost_its_lease_writes_nothing(db: TestDb) {
        db.enqueue(Plain::with("a")).await;
        let cx = context(&db, claim_one(&db, "a").await);
        db.advance(LEASE + Duration::from_millis(1));
        assert_eq!(lease::rescue(&db.db, db.now()).await.unwrap(), 1);
        let other = context(&db, claim_one(&db, "b").await);
        let mut tx = db.db.begin().await.unwrap();
        work(&mut tx, &cx).await;
        let refused = cx.complete_in(&mut tx, &Report::none()).await;
        assert!(matches!(refused, Err(Error::LeaseLost)), "{refused:?}");
        drop(tx);
        assert_eq!((db.count("events").await, jobs(&db).await.len()), (0, 1));
        let mut tx = db.db.begin().await.unwrap();
        work(&mut tx, &other).await;
        other.complete_in(&mut tx, &Report::none()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!((db.count("events").await, done(&db).await.len()), (1, 1));
    }

    async fn a_completion_that_rolls_back_leaves_the_job_running(db: TestDb) {
        db.enqueue(Plain::with("a")).await;
        let cx = context(&db, claim_one(&db, "a").await);
        let mut tx = db.db.begin().await.unwrap();
        work(&mut tx, &cx).await;
        cx.complete_in(&mut tx, &Report::none()).await.unwrap();
        drop(tx);
        assert_eq!(jobs(&db).await[0].owner.as_deref(), Some("a"));
        assert_eq!((db.count("events").await, done(&db).await.len()), (0, 0));
    }

    async fn failures_are_counted_and_come_back_when_they_should(db: TestDb) {
        for how in ["retry", "after", "fail", "snooze", "well"] {
            db.enqueue(ends(how)).await;
        }
        let drained = db.drain_allowing_failures(&kinds()).await;
        assert_eq!((drained.completed, drained.retried, drained.discarded, drained.snoozed), (1, 2, 1, 1));
        assert_eq!(drained.errors, ["test.ends: not now", "test.ends: later", "test.ends: never"]);
        let waits: Vec<_> = jobs(&db).await.iter().map(|job| job.due_at.since(db.now()).as_secs()).collect();
        assert_eq!(waits, [2, 3 * 3600, 5 * 60]);
    }

    async fn arguments_that_do_not_decode_and_unknown_kinds_end_that_job_alone(db: TestDb) {
        let text = serde_json::json!({"how": "well"});
        db.enqueue(NewJob::from_def(&JobDef::of::<Ends>(), "default", &text).unwrap()).await;
        db.enqueue(ends("well")).await;
        db.enqueue(Plain::with("a")).await;
        let spoil = crate::kernel::db::Sql::both("UPDATE jobs SET args = '{\"who\":1}' WHERE id = (SELECT min(id) FROM jobs)");
        db.execute(spoil, &[]).await;
        let drained = db.drain_allowing_failures(&Registry::default().with(JobDef::of::<Ends>())).await;
        assert_eq!((drained.completed, drained.discarded), (1, 2));
    }
}

#[tokio::test]
#[should_panic(expected = "test.ends: never")]
async fn draining_panics_with_the_error_of_a_failed_job() {
    let db = TestDb::sqlite().await;
    db.enqueue(ends("fail")).await;
    db.drain(&kinds()).await;
}

#[tokio::test]
async fn a_pause_ends_when_the_job_is_told_to_stop() {
    let db = TestDb::sqlite().await;
    db.enqueue(Plain::with("a")).await;
    let cx = Arc::new(context(&db, claim_one(&db, "a").await));
    assert!(cx.pause(Duration::ZERO).await);
    cx.cancel.cancel();
    assert!(!cx.pause(Duration::from_hours(1)).await);
}
