//! Any order of events ends in the same state.

use serde_json::json;

use crate::support::{World, on_both};

on_both! {
    async fn lives_shuffled_doubled_and_delayed(world: World) {
        let _daemon = world.daemon().await;
        for seed in 1..=8 {
            let life = json!({
                "name": "subscribe_pause_resume_cancel", "seed": seed,
                "duplicate": 0.5, "shuffle": 64, "delay_ms": 400,
            });
            world.inspect("/stripe/chaos", &life).await;
        }
        world.settled().await;
        world.assert_mirror_equals_truth().await;
        assert_eq!(world.db.count("stripe_events WHERE state = 'new'").await, 0);
    }

    async fn a_busy_day_shuffled_doubled_and_delayed(world: World) {
        let daemon = world.daemon().await;
        let day = json!({
            "name": "busy_day", "events": 400, "seed": 7,
            "duplicate": 0.3, "shuffle": 48, "delay_ms": 500,
        });
        let played = world.inspect("/stripe/chaos", &day).await;
        world.settled().await;
        world.assert_mirror_equals_truth().await;

        let events = played["events"].as_i64().unwrap();
        assert_eq!(world.db.count("stripe_events").await, events);
        assert_eq!(world.db.count("stripe_events WHERE state = 'applied'").await, events);
        let metrics = daemon.metrics().await;
        let copies = played["duplicated"].as_i64().unwrap();
        assert!(copies > 0, "{played}");
        let deliveries = world.look("/stripe/deliveries").await;
        assert_eq!(deliveries["attempts_failed"], 0, "{deliveries}");
        let polled = world.db.count("stripe_events WHERE source = 'poll'").await;
        // An event that the poll of every fifth minute brought first has been seen when its webhook comes.
        assert_eq!(metrics.webhooks("seen"), copies + polled, "{deliveries}");
    }
}
