//! What people change while attempts are in the air, and what of it counts for them.

use std::time::{Duration, Instant};

use super::{HOOK, delivery, endpoint, granted, move_to, now, registry, set_enabled, tell};
use crate::{
    args, both,
    kernel::{db::Sql, events::emit_many, limits::PRUNE_BATCH_MAX},
    testing::{TestDb, status},
    webhooks_out::{AT_ONCE, deliver_due::LOOK},
};

const ELSEWHERE: &str = "https://receiver.example/elsewhere";

/// Tells many events in one transaction.
async fn tell_many(db: &TestDb, number: usize) {
    let mut tx = db.env.db.begin().await.unwrap();
    emit_many(&mut tx, db, &vec![granted(None); number]).await.unwrap();
    tx.commit().await.unwrap();
}

/// Says how many attempts each pending delivery has behind it.
async fn set_attempts(db: &TestDb, attempts: i64) {
    let sql = Sql::both("UPDATE webhook_deliveries SET attempts = $1");
    db.execute(sql, args![attempts]).await;
}

both! {
    async fn what_people_change_counts_from_the_next_look_on(db: TestDb) {
        let endpoint = endpoint(&db).await;
        // One look finds them all.
        tell_many(&db, 3 * AT_ONCE).await;
        db.receivers.hold(HOOK);
        let people = async {
            db.receivers.wait_for(AT_ONCE).await;
            move_to(&db, &endpoint, ELSEWHERE).await;
            let moved = Instant::now();
            while moved.elapsed() < 2 * LOOK {
                assert_eq!(db.count("webhook_deliveries WHERE attempts > 0").await, 0, "they are in the air");
            }
            db.receivers.let_go();
        };
        let registry = registry();
        tokio::join!(people, db.drain(&registry));
        let sent = db.receivers.take_sent();
        let before = sent.iter().take_while(|one| one.url == HOOK).count();
        assert_eq!((before, sent.len()), (AT_ONCE, 3 * AT_ONCE));
        assert!(sent[AT_ONCE..].iter().all(|one| one.url == ELSEWHERE));
    }

    async fn nothing_is_sent_once_it_is_disabled(db: TestDb) {
        let endpoint = endpoint(&db).await;
        tell_many(&db, 3 * AT_ONCE).await;
        db.receivers.hold(HOOK);
        let people = async {
            db.receivers.wait_for(AT_ONCE).await;
            set_enabled(&db, &endpoint, false).await;
            db.receivers.let_go();
        };
        let registry = registry();
        tokio::join!(people, db.drain(&registry));
        assert_eq!(db.receivers.take_sent().len(), AT_ONCE, "those were in the air");
        assert_eq!(db.count("webhook_deliveries WHERE state = 'delivered'").await, 32, "and are heard");
    }

    async fn what_fails_at_an_url_of_before_is_sent_to_the_new_one(db: TestDb) {
        for (attempts, answer) in [(0, 410), (0, 500), (9, 500), (9, 410)] {
            let endpoint = endpoint(&db).await;
            tell_many(&db, AT_ONCE).await;
            set_attempts(&db, attempts).await;
            db.receivers.hold(HOOK);
            db.receivers.answer_always(status(answer));
            let people = async {
                db.receivers.wait_for(AT_ONCE).await;
                move_to(&db, &endpoint, ELSEWHERE).await;
                db.receivers.answer_always(status(200));
                // Neither do attempts at the old one count at the new one.
                db.receivers.answer_next(status(500));
                db.receivers.let_go();
            };
            let registry = registry();
            tokio::join!(people, db.drain(&registry));
            assert_eq!(db.count("webhook_deliveries WHERE state = 'pending' AND attempts = 1").await, 1);
            db.advance(Duration::from_mins(1));
            db.drain(&registry).await;
            let row = now(&db, &endpoint).await;
            assert_eq!((row.disabled_at, row.failing_since), (None, None), "{answer} came from elsewhere");
            assert_eq!(db.count("webhook_deliveries WHERE state <> 'delivered'").await, 0, "{attempts} {answer}");
            let sent = db.receivers.take_sent();
            assert_eq!(sent.iter().filter(|one| one.url == ELSEWHERE).count(), AT_ONCE + 1);
            set_enabled(&db, &endpoint, false).await;
        }
    }

    async fn what_was_pending_goes_out_once_the_endpoint_is_enabled(db: TestDb) {
        let endpoint = endpoint(&db).await;
        db.receivers.answer_next(status(500));
        tell(&db, &granted(None)).await;
        db.drain(&registry()).await;
        set_attempts(&db, 9).await;
        set_enabled(&db, &endpoint, false).await;
        db.receivers.answer_next(status(500));
        set_enabled(&db, &endpoint, true).await;
        // At once, and with all its attempts before it.
        assert_eq!(db.receivers.take_sent().len(), 1);
        db.drain(&registry()).await;
        assert_eq!(db.receivers.take_sent().len(), 1);
        let row = delivery(&db).await;
        assert_eq!((row.state.as_str(), row.attempts), ("pending", 1));
        // To say so of one that is sent to already changes nothing about them.
        set_enabled(&db, &endpoint, true).await;
        db.drain(&registry()).await;
        assert_eq!(delivery(&db).await, row);
    }

    async fn what_was_due_long_ago_has_all_its_attempts_before_it_once_the_endpoint_is_enabled(db: TestDb) {
        let endpoint = endpoint(&db).await;
        db.receivers.answer_always(status(500));
        tell(&db, &granted(None)).await;
        db.drain(&registry()).await;
        set_attempts(&db, 9).await;
        set_enabled(&db, &endpoint, false).await;
        db.advance(Duration::from_hours(48));
        set_enabled(&db, &endpoint, true).await;
        db.drain(&registry()).await;
        let row = delivery(&db).await;
        assert_eq!((row.state.as_str(), row.attempts), ("pending", 1));
    }

    async fn of_very_many_that_are_pending_the_request_hurries_some_and_a_job_the_rest(db: TestDb) {
        let (endpoint, many) = (endpoint(&db).await, 2_500);
        tell_many(&db, many).await;
        db.receivers.answer_always(status(500));
        db.drain(&registry()).await;
        assert_eq!(db.receivers.take_sent().len(), many);
        set_enabled(&db, &endpoint, false).await;
        set_attempts(&db, 9).await;
        // Half of them are due since yesterday, the others tomorrow.
        let spread = Sql::both("UPDATE webhook_deliveries SET due_at = due_at + $1 WHERE id < (SELECT id FROM webhook_deliveries ORDER BY id LIMIT 1 OFFSET 1250)");
        db.execute(spread, args![172_800_000]).await;
        db.advance(Duration::from_hours(24));
        set_enabled(&db, &endpoint, true).await;
        assert_eq!(db.count("webhook_deliveries WHERE attempts = 0").await, PRUNE_BATCH_MAX);
        // An event that comes now does not wake the job too early.
        tell(&db, &granted(None)).await;
        db.drain(&registry()).await;
        assert_eq!(db.count("webhook_deliveries WHERE state = 'pending' AND attempts = 1").await, 2_501);
        assert_eq!(now(&db, &endpoint).await.rests_until, None);
        assert_eq!(db.receivers.take_sent().len(), many + 1);
    }

    async fn what_is_pending_at_an_endpoint_that_is_disabled_again_is_left_as_it_is(db: TestDb) {
        let endpoint = endpoint(&db).await;
        tell_many(&db, 1_500).await;
        set_enabled(&db, &endpoint, false).await;
        set_attempts(&db, 9).await;
        set_enabled(&db, &endpoint, true).await;
        set_enabled(&db, &endpoint, false).await;
        db.drain(&registry()).await;
        assert_eq!(db.count("webhook_deliveries WHERE attempts = 9").await, 500);
        assert_eq!(db.receivers.take_sent(), []);
    }

    async fn what_is_refused_with_410_goes_out_once_the_endpoint_is_enabled(db: TestDb) {
        let endpoint = endpoint(&db).await;
        tell_many(&db, AT_ONCE).await;
        db.receivers.answer_always(status(410));
        db.drain(&registry()).await;
        assert_eq!(now(&db, &endpoint).await.disabled_reason.as_deref(), Some("gone"));
        assert_eq!(db.count("webhook_deliveries WHERE state = 'pending' AND status_code = 410").await, 32);
        db.receivers.answer_always(status(200));
        db.advance(Duration::from_hours(24));
        db.drain(&registry()).await;
        assert_eq!(db.receivers.take_sent().len(), AT_ONCE, "it is disabled");
        set_enabled(&db, &endpoint, true).await;
        db.drain(&registry()).await;
        assert_eq!(db.count("webhook_deliveries WHERE state = 'delivered'").await, 32);
    }
}
