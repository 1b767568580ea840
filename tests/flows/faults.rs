//! Stripe in trouble: whatever goes wrong there, in the end everything is applied and no job was given up.

use serde_json::{Value, json};

use crate::support::{Daemon, Node, World, on_both};

/// The least that the configuration allows; the sandbox stays silent for longer.
const TIMEOUT: &str = "1s";
const SILENCE_MS: u64 = 1_300;

/// A busy day under a fault that ends by itself. It must not be long: most of what happens needs no request, so few jobs
/// meet all of it, and wait longer each time.
async fn survives(world: &World, fault: Value) -> Daemon {
    let node = Node::default().set("stripe.timeout", TIMEOUT);
    let daemon = world.daemon_with(node).await;
    world.fault(&fault).await;
    world
        .inspect(
            "/stripe/scenario",
            &json!({"name": "busy_day", "events": 60, "seed": 3}),
        )
        .await;
    world.settled().await;
    let hits = world.look("/faults").await["hits"].as_u64().unwrap();
    assert!(hits > 0, "the fault {fault} never struck");
    world.assert_mirror_equals_truth().await;
    daemon
}

on_both! {
    async fn too_many_requests(world: World) {
        let fault = json!({"target": "stripe", "method": "GET", "mode": "status", "status": 429, "times": 3});
        let daemon = survives(&world, fault).await;
        // Waiting as long as Stripe asks spends no attempt.
        assert_eq!(world.db.count("jobs_done WHERE attempt > 1").await, 0);
        let limited = [("outcome", "rate_limited")];
        assert!(daemon.metrics().await.sum("memberd_stripe_requests_total", &limited) > 0);
    }

    async fn errors_of_the_server(world: World) {
        let fault = json!({"target": "stripe", "method": "GET", "mode": "status", "status": 500, "rate": 0.5, "times": 5});
        survives(&world, fault).await;
        assert!(world.db.count("jobs_done WHERE attempt > 1").await > 0);
    }

    async fn silence(world: World) {
        let fault = json!({"target": "stripe", "method": "GET", "mode": "timeout", "delay_ms": SILENCE_MS, "rate": 0.4, "times": 4});
        survives(&world, fault).await;
    }

    async fn silence_after_the_work(world: World) {
        let fault = json!({"target": "stripe", "method": "GET", "mode": "timeout_after_success", "delay_ms": SILENCE_MS, "times": 8});
        survives(&world, fault).await;
    }

    async fn answers_that_break_off(world: World) {
        let fault = json!({"target": "stripe", "method": "GET", "mode": "drop", "rate": 0.5, "times": 8});
        survives(&world, fault).await;
    }

    async fn nobody_there(world: World) {
        let fault = json!({"target": "stripe", "mode": "refuse", "method": "GET", "times": 20});
        survives(&world, fault).await;
    }

    async fn webhooks_that_arrive_and_count_as_failed(world: World) {
        let fault = json!({"target": "webhooks", "mode": "timeout_after_success", "rate": 0.5, "times": 25});
        let daemon = survives(&world, fault).await;
        assert!(daemon.metrics().await.webhooks("seen") > 0);
    }
}
