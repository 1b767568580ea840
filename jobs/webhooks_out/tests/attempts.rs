//! What the job of an endpoint sends, when it comes back, and when it gives up.

use std::time::Duration;

use super::{delivery, deliveries_of, endpoint, endpoint_of, granted, kinds, now, registry, set_enabled, tell};
use crate::{
    both,
    kernel::{Timestamp, db::Sql, outbox::NewJob, ports::Answer},
    testing::{silence, status},
    webhooks_out::{WakeEndpoints, model::PAUSES},
};

const HOUR: Duration = Duration::from_hours(1);

both! {
    async fn what_is_due_is_sent_once_with_the_events_id(db: TestDb) {
        endpoint(&db).await;
        tell(&db, &granted(Some("mem_a"))).await;
        db.drain(&registry()).await;
        let [sent] = db.receivers.take_sent().try_into().unwrap();
        let row = delivery(&db).await;
        assert_eq!((row.state.as_str(), row.attempts, row.status_code, row.took_ms), ("delivered", 1, Some(200), Some(7)));
        assert_eq!((&sent.id, sent.url.as_str()), (&row.event_id, "https://receiver.example/hook"));
        let body: serde_json::Value = serde_json::from_str(&sent.body).unwrap();
        assert_eq!((&body["id"], &body["sequence"]), (&row.event_id.clone().into(), &1.into()));
        assert_eq!(sent.secrets.len(), 1);
        assert_eq!(db.count("jobs").await, 0);
    }

    async fn a_failure_is_repeated_by_the_schedule_and_given_up_at_last(db: TestDb) {
        endpoint(&db).await;
        db.receivers.answer_always(silence());
        tell(&db, &granted(None)).await;
        for attempt in 1..=10 {
            db.drain(&registry()).await;
            let row = delivery(&db).await;
            assert_eq!(row.attempts, attempt);
            assert_eq!(row.error.as_deref(), Some("timeout"));
            let state = if attempt < 10 { "pending" } else { "failed" };
            assert_eq!(row.state, state, "{attempt}");
            if let Some(pause) = PAUSES.get(usize::try_from(attempt - 1).unwrap()) {
                // The job waits as long as the delivery does.
                assert_eq!(db.count("jobs").await, 1);
                db.drain(&registry()).await;
                assert_eq!(delivery(&db).await.attempts, attempt);
                db.advance(pause.mul_f64(1.1));
            }
        }
        let sent = db.receivers.take_sent();
        assert_eq!(sent.len(), 10);
        assert!(sent.iter().all(|one| (&one.id, &one.body) == (&sent[0].id, &sent[0].body)), "the same each time");
        assert!(sent.windows(2).all(|pair| pair[0].at < pair[1].at), "signed anew each time");
        assert_eq!(db.count("jobs").await, 0);
    }

    async fn a_success_ends_a_row_of_failures(db: TestDb) {
        let endpoint = endpoint(&db).await;
        db.receivers.answer_next(status(500));
        tell(&db, &granted(None)).await;
        db.drain(&registry()).await;
        assert_eq!(now(&db, &endpoint).await.failing_since, Some(db.now()));
        db.advance(HOUR);
        db.drain(&registry()).await;
        assert_eq!(now(&db, &endpoint).await.failing_since, None);
        let row = delivery(&db).await;
        assert_eq!((row.state.as_str(), row.attempts), ("delivered", 2));
    }

    async fn gone_disables_the_endpoint_and_the_others_hear_of_it(db: TestDb) {
        let gone = endpoint_of(&db, "default", Some(&["audience.access_granted"])).await;
        let watches = endpoint_of(&db, "default", Some(&["webhook_endpoint.disabled"])).await;
        db.receivers.answer_next(status(410));
        tell(&db, &granted(None)).await;
        db.drain(&registry()).await;
        let row = now(&db, &gone).await;
        assert_eq!(row.disabled_reason.as_deref(), Some("gone"));
        assert_eq!(kinds(&db).await, ["audience.access_granted", "webhook_endpoint.disabled"]);
        let heard: Vec<_> = deliveries_of(&db, "default").await.into_iter().map(|row| (row.endpoint_id, row.state)).collect();
        assert_eq!(heard, [(watches.id, "delivered".to_owned()), (gone.id.clone(), "pending".to_owned())]);
        tell(&db, &granted(None)).await;
        db.drain(&registry()).await;
        assert_eq!(db.receivers.take_sent().len(), 2, "nothing is sent to it any more");
    }

    async fn five_days_of_nothing_but_failures_disable_the_endpoint(db: TestDb) {
        let endpoint = endpoint(&db).await;
        db.receivers.answer_always(status(500));
        for day in 0..=5 {
            assert_eq!(now(&db, &endpoint).await.disabled_at, None, "day {day}");
            tell(&db, &granted(None)).await;
            db.drain(&registry()).await;
            if day < 5 {
                db.advance(Duration::from_hours(24));
            }
        }
        let row = now(&db, &endpoint).await;
        assert_eq!(row.disabled_reason.as_deref(), Some("failing"));
        let pending = db.count("webhook_deliveries WHERE state = 'pending'").await;
        assert!(pending > 0);

        // What is pending waits, and goes out once somebody enables it, however long its pause would have been.
        db.drain(&registry()).await;
        db.receivers.take_sent();
        db.receivers.answer_always(status(200));
        set_enabled(&db, &endpoint, true).await;
        db.drain(&registry()).await;
        assert_eq!(i64::try_from(db.receivers.take_sent().len()).unwrap(), pending);
    }

    async fn a_receiver_that_asks_for_rest_gets_it_for_everything(db: TestDb) {
        let endpoint = endpoint(&db).await;
        let rest = Duration::from_mins(10);
        db.receivers.answer_next(Answer { retry_after: Some(rest), ..status(429) });
        tell(&db, &granted(None)).await;
        db.drain(&registry()).await;
        // The job waits as long.
        assert_eq!(db.count("jobs").await, 1);
        tell(&db, &granted(None)).await;
        db.drain(&registry()).await;
        assert_eq!(db.receivers.take_sent().len(), 1);
        assert_eq!(now(&db, &endpoint).await.rests_until, Some(db.now().plus(rest)));
        db.advance(rest);
        db.drain(&registry()).await;
        assert_eq!(db.count("webhook_deliveries WHERE state = 'delivered'").await, 2);
    }

    async fn several_thousand_deliveries_are_one_job(db: TestDb) {
        endpoint(&db).await;
        let events = vec![granted(None); 3_000];
        let mut tx = db.env.db.begin().await.unwrap();
        crate::kernel::events::emit_many(&mut tx, &db, &events).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(db.count("jobs").await, 1);
        db.drain(&registry()).await;
        let mut ids: Vec<_> = db.receivers.take_sent().into_iter().map(|sent| sent.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 3_000);
        assert_eq!(db.count("webhook_deliveries WHERE state = 'delivered' AND attempts = 1").await, 3_000);
    }

    async fn what_was_deleted_meanwhile_is_given_up(db: TestDb) {
        let endpoint = endpoint(&db).await;
        tell(&db, &granted(None)).await;
        db.execute(Sql::both("DELETE FROM events"), &[]).await;
        db.drain(&registry()).await;
        let row = delivery(&db).await;
        assert_eq!((row.state.as_str(), row.error.as_deref()), ("failed", Some("event_deleted")));
        assert_eq!(now(&db, &endpoint).await.failing_since, None, "it is not the receiver's fault");
        assert_eq!(db.receivers.take_sent(), []);
    }

    async fn without_a_key_nothing_is_sent_and_no_attempt_is_spent(db: TestDb) {
        endpoint(&db).await;
        tell(&db, &granted(None)).await;
        db.receivers.set_key(Some("another"));
        let drained = db.drain_allowing_failures(&registry()).await;
        assert_eq!(drained.retried, 1);
        assert!(drained.errors[0].contains("has the id key1"), "{drained:?}");
        assert_eq!(delivery(&db).await.attempts, 0);
        db.receivers.set_key(Some("key1"));
        db.advance(HOUR);
        db.drain(&registry()).await;
        assert_eq!(delivery(&db).await.state, "delivered");
    }

    async fn what_is_due_is_sent_although_the_job_was_discarded(db: TestDb) {
        endpoint(&db).await;
        tell(&db, &granted(None)).await;
        db.receivers.set_key(None);
        for _ in 0..10 {
            db.drain_allowing_failures(&registry()).await;
            db.advance(Duration::from_hours(8));
        }
        assert_eq!(db.count("jobs").await, 0);
        db.receivers.set_key(Some("key1"));
        db.enqueue(NewJob::of("default", &WakeEndpoints {}).unwrap()).await;
        db.drain(&registry()).await;
        assert_eq!(delivery(&db).await.state, "delivered");
        db.enqueue(NewJob::of("default", &WakeEndpoints {}).unwrap()).await;
        assert_eq!(db.drain(&registry()).await.completed, 1, "nothing is due, so nobody is woken");
    }

    async fn who_is_the_only_one_to_hear_of_rest_comes_back_after_it(db: TestDb) {
        endpoint(&db).await;
        let rest = Duration::from_mins(10);
        db.receivers.answer_next(Answer { retry_after: Some(rest), ..status(503) });
        tell(&db, &granted(None)).await;
        db.drain(&registry()).await;
        db.advance(rest);
        db.drain(&registry()).await;
        assert_eq!(delivery(&db).await.state, "delivered");
    }

    async fn a_run_that_is_told_to_stop_begins_no_attempt(db: TestDb) {
        endpoint(&db).await;
        tell(&db, &granted(None)).await;
        assert_eq!(db.drain_stopping(&registry()).await.snoozed, 1);
        assert_eq!(db.receivers.take_sent(), []);
        db.drain(&registry()).await;
        assert_eq!(db.receivers.take_sent().len(), 1);
        assert!(delivery(&db).await.attempted_at > Some(Timestamp(0)));
    }
}
