//! Replays, discarded jobs, and what is forgotten.

use std::time::Duration;

use super::{deliveries_of, delivery, endpoint, endpoint_of, granted, kinds, now, registry, set_enabled, tell};
use crate::{
    args, both,
    kernel::{db::{Sql, Tx}, events::{Event, emit_many}, outbox::NewJob},
    testing::{TestDb, status},
    webhooks_out::{
        self, PruneHistory, ReplayEvents, TellDiscarded,
        store::{self, endpoints::Endpoint, events::Stretch},
    },
};

const DAY: Duration = Duration::from_hours(24);

async fn replay(db: &TestDb, endpoint: &Endpoint, change: impl FnOnce(&mut ReplayEvents)) -> Vec<String> {
    let mut job = ReplayEvents {
        endpoint_id: endpoint.id.clone(),
        since: db.now().minus(DAY),
        until: db.now().plus(DAY),
        types: Vec::new(),
        undelivered_only: false,
        after: None,
    };
    change(&mut job);
    db.enqueue(NewJob::of("default", &job).unwrap()).await;
    db.drain(&registry()).await;
    db.receivers.take_sent().into_iter().map(|sent| sent.id).collect()
}

/// Ids of all events, in order.
async fn events(db: &TestDb) -> Vec<String> {
    let rows: Vec<(String,)> = db.rows(Sql::both("SELECT id FROM events ORDER BY id"), &[]).await;
    rows.into_iter().map(|row| row.0).collect()
}

async fn prune(db: &TestDb) {
    db.enqueue(NewJob::of("default", &PruneHistory {}).unwrap()).await;
    db.drain(&registry()).await;
}

async fn resend(db: &TestDb, delivery: &str) {
    let mut tx = db.env.db.begin().await.unwrap();
    webhooks_out::resend(&mut tx, db, "default", delivery).await.unwrap().unwrap();
    tx.commit().await.unwrap();
}

/// Prunes while `tx` is open, and commits `tx` once that waits for it.
async fn prune_against(db: &TestDb, tx: Tx) {
    let committing = async {
        db.until_one_waits().await;
        tx.commit().await.unwrap();
    };
    tokio::join!(prune(db), committing);
}

/// An endpoint and three events of long ago, on PostgreSQL: on SQLite there is one transaction at a time.
async fn old_history() -> (TestDb, Endpoint) {
    let db = TestDb::postgres().await.with_settings(|settings| {
        settings.keep_events = 3 * DAY;
        settings.keep_webhook_deliveries = 5 * DAY;
    });
    let endpoint = endpoint(&db).await;
    for _ in 0..3 {
        tell(&db, &granted(None)).await;
    }
    db.drain(&registry()).await;
    db.advance(6 * DAY);
    (db, endpoint)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_that_is_sent_again_while_it_is_forgotten_stays() {
    let (db, _) = old_history().await;
    let [_, again, _] = deliveries_of(&db, "default").await.try_into().unwrap();
    let mut tx = db.env.db.begin().await.unwrap();
    webhooks_out::resend(&mut tx, &db, "default", &again.id).await.unwrap().unwrap();
    prune_against(&db, tx).await;
    db.drain(&registry()).await;
    assert_eq!((delivery(&db).await.id, delivery(&db).await.state.as_str()), (again.id, "delivered"));
    assert_eq!(db.count("events").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_is_replayed_while_it_is_forgotten_stays() {
    let (db, endpoint) = old_history().await;
    db.execute(Sql::both("DELETE FROM webhook_deliveries"), &[]).await;
    let ids = events(&db).await;
    let mut tx = db.env.db.begin().await.unwrap();
    let stretch = Stretch { since: db.now().minus(7 * DAY), until: db.now() };
    let found = store::events::next(&mut tx, "default", stretch, None, 2).await.unwrap();
    assert_eq!(found.len(), 2);
    let row = args![db.env.id("whd"), "default", &endpoint.id, &ids[0], "audience.access_granted", db.now()].to_vec();
    assert_eq!(store::deliveries::replay(&mut tx, &[row], false).await.unwrap(), 1);
    prune_against(&db, tx).await;
    assert_eq!(events(&db).await, ids[..1]);
}

both! {
    async fn a_replay_sends_what_happened_in_a_time_whatever_became_of_it(db: TestDb) {
        tell(&db, &granted(None)).await;
        db.advance(DAY);
        let since = db.now();
        tell(&db, &granted(None)).await;
        let late = endpoint_of(&db, "default", Some(&["audience.access_granted", "audience.access_changed"])).await;
        tell(&db, &granted(None)).await;
        tell(&db, &Event { kind: "audience.access_changed", ..granted(None) }).await;
        tell(&db, &Event { kind: "audience.member_joined", ..granted(None) }).await;
        db.advance(Duration::from_secs(1));
        db.receivers.answer_next(status(410));
        db.drain(&registry()).await;
        db.receivers.take_sent();
        set_enabled(&db, &late, true).await;
        db.drain(&registry()).await;
        db.receivers.take_sent();
        let ids = events(&db).await;

        // Since its beginning: also what happened before it was there, and not what it does not want.
        let mut sent = replay(&db, &late, |job| job.since = since).await;
        sent.sort_unstable();
        assert_eq!(sent, ids[1..4]);
        let all = replay(&db, &late, |job| job.since = since.minus(DAY)).await;
        assert_eq!(all.len(), 4);
        let of_type = replay(&db, &late, |job| job.types = vec!["audience.access_changed".to_owned()]).await;
        assert_eq!(of_type, [ids[3].clone()]);
        assert_eq!(replay(&db, &late, |job| job.until = since.minus(DAY)).await, Vec::<String>::new());
        assert_eq!(replay(&db, &late, |job| job.undelivered_only = true).await, Vec::<String>::new());
        assert_eq!(deliveries_of(&db, "default").await.len(), 4, "one for each endpoint and event");
    }

    async fn what_was_delivered_can_be_left_out_of_a_replay(db: TestDb) {
        let endpoint = endpoint(&db).await;
        tell(&db, &granted(None)).await;
        db.drain(&registry()).await;
        tell(&db, &granted(None)).await;
        db.execute(Sql::both("UPDATE webhook_deliveries SET attempts = 9 WHERE state = 'pending'"), &[]).await;
        db.receivers.answer_next(status(500));
        db.drain(&registry()).await;
        set_enabled(&db, &endpoint, false).await;
        tell(&db, &granted(None)).await;
        set_enabled(&db, &endpoint, true).await;
        let ids = events(&db).await;
        db.receivers.take_sent();
        let sent = replay(&db, &endpoint, |job| job.undelivered_only = true).await;
        // What failed for the last time, and what happened while it was disabled.
        assert_eq!(sent, ids[1..3]);
    }

    async fn a_replay_waits_for_no_pause(db: TestDb) {
        let endpoint = endpoint(&db).await;
        for undelivered_only in [true, false] {
            db.execute(Sql::both("DELETE FROM webhook_deliveries"), &[]).await;
            db.execute(Sql::both("DELETE FROM events"), &[]).await;
            tell(&db, &granted(None)).await;
            db.receivers.answer_next(status(500));
            db.drain(&registry()).await;
            assert_eq!((delivery(&db).await.attempts, db.receivers.take_sent().len()), (1, 1));
            db.receivers.answer_next(status(500));
            let sent = replay(&db, &endpoint, |job| job.undelivered_only = undelivered_only).await;
            assert_eq!(sent, events(&db).await);
            // It has all its attempts before it.
            assert_eq!(delivery(&db).await.attempts, 1);
        }
    }

    async fn a_long_replay_goes_on_in_further_jobs_and_sends_each_once(db: TestDb) {
        let mut tx = db.env.db.begin().await.unwrap();
        emit_many(&mut tx, &db, &vec![granted(None); 2_500]).await.unwrap();
        tx.commit().await.unwrap();
        let endpoint = endpoint(&db).await;
        let told = events(&db).await;
        // Of a test nobody hears a second time.
        let mut tx = db.env.db.begin().await.unwrap();
        webhooks_out::send_test(&mut tx, &db, "default", &endpoint.id).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        db.drain(&registry()).await;
        assert_eq!(db.receivers.take_sent().len(), 1);
        let mut sent = replay(&db, &endpoint, |_| ()).await;
        sent.sort_unstable();
        assert_eq!(sent, told);
    }

    async fn each_discarded_job_is_told_once(db: TestDb) {
        let sql = Sql::both(
            "INSERT INTO jobs_done (id, organization_id, queue, kind, args, priority, state, attempt, max_attempts, fence,
                unique_running, exclusive, created_at, finished_at, error)
             VALUES ($1, 'default', 'default', 'test.job', '{}', 0, $2, 3, 3, 1, FALSE, FALSE, 0, 5, 'secret words')",
        );
        for (id, state) in [("job_1", "discarded"), ("job_2", "completed"), ("job_3", "discarded")] {
            db.execute(sql, args![id, state]).await;
        }
        for _ in 0..2 {
            db.enqueue(NewJob::of("default", &TellDiscarded {}).unwrap()).await;
            db.drain(&registry()).await;
            assert_eq!(kinds(&db).await, ["job.discarded", "job.discarded"]);
        }
        let data: Vec<(String,)> = db.rows(Sql::both("SELECT data FROM events ORDER BY id"), &[]).await;
        assert_eq!(data[0].0, r#"{"attempts":3,"discarded_at":"1970-01-01T00:00:00.005Z","job_id":"job_1","kind":"test.job"}"#);
    }

    async fn what_was_sent_again_lately_stays_in_the_log(db: TestDb) {
        let db = db.with_settings(|settings| settings.keep_webhook_deliveries = 5 * DAY);
        let old = endpoint(&db).await;
        for _ in 0..3 {
            tell(&db, &granted(None)).await;
        }
        db.drain(&registry()).await;
        let [pending, again, never] = deliveries_of(&db, "default").await.try_into().unwrap();
        db.advance(6 * DAY);
        resend(&db, &again.id).await;
        db.drain(&registry()).await;
        // Due again, and not sent yet.
        set_enabled(&db, &old, false).await;
        db.execute(Sql::both("UPDATE webhook_deliveries SET state = 'pending', due_at = $2 WHERE id = $1"), args![&pending.id, db.now()]).await;
        prune(&db).await;
        let left: Vec<String> = deliveries_of(&db, "default").await.into_iter().map(|row| row.id).collect();
        assert_eq!(left, [pending.id, again.id.clone()], "{} was attempted long ago", never.id);
        db.advance(6 * DAY);
        prune(&db).await;
        assert_eq!(deliveries_of(&db, "default").await, []);
    }

    async fn old_deliveries_and_events_go_but_the_newest_of_each_member(db: TestDb) {
        let db = db.with_settings(|settings| {
            settings.keep_events = 3 * DAY;
            settings.keep_webhook_deliveries = 5 * DAY;
        });
        let quiet = endpoint_of(&db, "default", Some(&["audience.access_changed"])).await;
        for _ in 0..2 {
            tell(&db, &granted(Some("mem_a"))).await;
            tell(&db, &granted(Some("mem_b"))).await;
            tell(&db, &granted(None)).await;
        }
        tell(&db, &Event { kind: "audience.access_changed", ..granted(None) }).await;
        db.drain(&registry()).await;
        let left = async || {
            prune(&db).await;
            (db.count("events").await, db.count("webhook_deliveries").await)
        };
        assert_eq!(left().await, (7, 1));
        db.advance(4 * DAY);
        tell(&db, &granted(Some("mem_b"))).await;
        // The newest of mem_a and of mem_b, and the one that is still among the deliveries.
        assert_eq!(left().await, (3, 1));
        db.advance(2 * DAY);
        assert_eq!(left().await, (2, 0));
        tell(&db, &granted(Some("mem_a"))).await;
        let next: Vec<(i64,)> = db.rows(Sql::both("SELECT max(sequence) FROM events WHERE member_id = 'mem_a'"), &[]).await;
        assert_eq!(next, [(3,)], "her numbers go on");
        assert!(now(&db, &quiet).await.disabled_at.is_none());
    }
}
