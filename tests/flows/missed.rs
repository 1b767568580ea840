//! Webhooks that never come.

use std::time::Duration;

use serde_json::json;

use crate::support::{Daemon, World, id, let_pass, on_both, until, world::ACCOUNT};

/// A little more than a second.
const SECOND: Duration = Duration::from_millis(1_100);

on_both! {
    async fn the_poll_of_events_finds_what_no_webhook_brought(world: World) {
        let daemon = world.daemon().await;
        world.subscriber("ada@example.test").await;
        world.settled().await;
        world.inspect("/stripe/chaos", &json!({"drop": 1.0})).await;
        world.inspect("/stripe/scenario", &json!({"name": "busy_day", "events": 60, "seed": 5})).await;
        assert!(!world.differences("default", ACCOUNT).await.is_empty());

        run(&daemon, "sync.poll_events").await;
        world.idle().await;
        world.assert_mirror_equals_truth().await;
        assert!(world.db.count("stripe_events WHERE source = 'poll'").await >= 60);
    }

    async fn the_reconciliation_finds_what_no_event_tells(world: World) {
        let daemon = world.daemon().await;
        // Nothing was ever heard of this world.
        world.inspect("/stripe/chaos", &json!({"drop": 1.0})).await;
        let ada = world.subscriber("ada@example.test").await;
        world.inspect("/stripe/scenario", &json!({"name": "busy_day", "events": 60, "seed": 6})).await;

        run(&daemon, "sync.reconcile_objects").await;
        world.idle().await;
        world.assert_mirror_equals_truth().await;
        assert!(daemon.metrics().await.sum("memberd_sync_drift_objects_total", &[]) > 0);

        // What is deleted in a later second (Stripe's clock has no finer ones) is found, too.
        let_pass(SECOND).await;
        world.stripe("DELETE", &format!("/v1/customers/{}", ada.customer), "").await;
        run(&daemon, "sync.reconcile_objects").await;
        world.idle().await;
        world.assert_mirror_equals_truth().await;
        assert_eq!(world.db.count("customers WHERE deleted").await, 1);
    }
}

/// Runs a schedule now and waits for its job.
pub(super) async fn run(daemon: &Daemon, schedule: &str) {
    let job = daemon.post(&format!("/v1/schedules/{schedule}/run")).await;
    let path = format!("/v1/jobs/{}", id(&job));
    until(&format!("the end of {schedule}"), async || {
        let job = daemon.get(&path).await;
        (job["state"] == "completed").then_some(())
    })
    .await;
}
