//! Replays, discarded jobs, and what is forgotten.

use std::time::Duration;

use super::{deliveries_of, endpoint, endpoint_of, granted, kinds, now, registry, tell};
use crate::{
    args, both,
    kernel::{db::Sql, events::{Event, emit_many}, outbox::NewJob},
    testing::{TestDb, status},
    webhooks_out::{self, PruneHistory, ReplayEvents, TellDiscarded, store::endpoints::Endpoint},
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
        let mut tx = db.env.db.begin().await.unwrap();
        webhooks_out::set_enabled(&mut tx, &db, "default", &late.id, true).await.unwrap();
        tx.commit().await.unwrap();
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
        db.receivers.answer_next(status(410));
        db.drain(&registry()).await;
        let ids = events(&db).await;
        let mut tx = db.env.db.begin().await.unwrap();
        webhooks_out::set_enabled(&mut tx, &db, "default", &endpoint.id, true).await.unwrap();
        tx.commit().await.unwrap();
        db.receivers.take_sent();
        let sent = replay(&db, &endpoint, |job| job.undelivered_only = true).await;
        // The event that told of the 410 was never wanted by an enabled endpoint, so it is new.
        assert_eq!(sent, ids[1..3]);
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
        let prune = async || {
            db.enqueue(NewJob::of("default", &PruneHistory {}).unwrap()).await;
            db.drain(&registry()).await;
            (db.count("events").await, db.count("webhook_deliveries").await)
        };
        assert_eq!(prune().await, (7, 1));
        db.advance(4 * DAY);
        tell(&db, &granted(Some("mem_b"))).await;
        // The newest of mem_a and of mem_b, and the one that is still among the deliveries.
        assert_eq!(prune().await, (3, 1));
        db.advance(2 * DAY);
        assert_eq!(prune().await, (2, 0));
        tell(&db, &granted(Some("mem_a"))).await;
        let next: Vec<(i64,)> = db.rows(Sql::both("SELECT max(sequence) FROM events WHERE member_id = 'mem_a'"), &[]).await;
        assert_eq!(next, [(3,)], "her numbers go on");
        assert!(now(&db, &quiet).await.disabled_at.is_none());
    }
}
