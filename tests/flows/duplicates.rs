//! The same event again and again.

use futures::future::join_all;

use crate::support::{World, on_both, quiet_daemon, webhook};

/// Copies of one event.
const COPIES: usize = 20;
/// Runs that read events.
const READINGS: &str = "jobs_done WHERE kind = 'sync.apply_events'";

on_both! {
    async fn twenty_copies_at_once_are_one_event_and_one_job(world: World) {
        let daemon = quiet_daemon(&world).await;
        let customer = world.stripe("POST", "/v1/customers", "email=ada@example.test").await;
        world.settled().await;
        let jobs_before = world.db.count(READINGS).await;
        let before = daemon.metrics().await;

        let event = webhook::customer_event("evt_twenty", customer["id"].as_str().unwrap());
        let answers = join_all((0..COPIES).map(|_| webhook::good(&daemon, &event))).await;
        for answer in answers {
            assert_eq!(answer.status, 200, "{}", answer.json);
        }

        world.idle().await;
        assert_eq!(world.db.count("stripe_events WHERE id = 'evt_twenty'").await, 1);
        assert_eq!(world.db.count(READINGS).await - jobs_before, 1);
        let after = daemon.metrics().await;
        assert_eq!(after.webhooks("new") - before.webhooks("new"), 1);
        assert_eq!(after.webhooks("seen") - before.webhooks("seen"), 19);
    }

    async fn a_replay_days_later_is_refused_and_a_fresh_one_changes_nothing(world: World) {
        let daemon = quiet_daemon(&world).await;
        world.subscriber("ada@example.test").await;
        world.settled().await;
        let rows = [world.db.count("stripe_events").await, world.db.count("jobs_done").await];
        let events = world.look("/stripe/truth?type=event&limit=1").await;
        let event = events["data"][0]["id"].as_str().unwrap();

        let stale = serde_json::json!({"event": event, "age_seconds": 86_400});
        let stale = world.inspect("/stripe/replay", &stale).await;
        assert_eq!(stale["sent"][0]["status"], 400, "{stale}");
        let fresh = serde_json::json!({"event": event, "times": 3});
        let fresh = world.inspect("/stripe/replay", &fresh).await;
        for sent in fresh["sent"].as_array().unwrap() {
            assert_eq!(sent["status"], 200, "{fresh}");
        }

        world.idle().await;
        let again = [world.db.count("stripe_events").await, world.db.count("jobs_done").await];
        assert_eq!(again, rows);
        drop(daemon);
    }
}
