//! What people order at Stripe, while Stripe is in trouble: one effect for each operation.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Daemon, Node, World, id, on_both, until};

/// The least that the configuration allows; the sandbox stays silent for longer.
const TIMEOUT: &str = "1s";
const SILENCE_MS: u64 = 1_300;

/// Waits for the end of an operation.
pub(crate) async fn ended(daemon: &Daemon, operation: &Value) -> Value {
    let path = format!("/v1/operations/{}", id(operation));
    until("the end of an operation", async || {
        let shown = daemon.get(&path).await;
        matches!(shown["state"].as_str(), Some("succeeded" | "failed")).then_some(shown)
    })
    .await
}

/// How many changes at the fake Stripe carry the operation's key.
pub(crate) async fn effects(world: &World, operation: &Value) -> usize {
    let key = format!("memberd:{}", id(operation));
    let events = world.look("/stripe/truth?type=event&limit=10000").await;
    let events = events["data"].as_array().unwrap();
    let own = |event: &&Value| event["request"]["idempotency_key"] == key;
    events.iter().filter(own).count()
}

async fn one_effect_under(world: World, fault: Value) {
    let node = Node::default()
        .roles("api,worker")
        .set("stripe.timeout", TIMEOUT);
    let daemon = world.daemon_with(node).await;
    let ada = world.subscriber("ada@example.test").await;
    world.settled().await;
    world.fault(&fault).await;
    let path = format!("/v1/subscriptions/{}", ada.subscription);
    let paused = daemon.post(&format!("{path}/pause")).await;
    let resumed = daemon.post(&format!("{path}/resume")).await;
    let cancelled = daemon.post(&format!("{path}/cancel")).await;
    for operation in [&paused, &resumed, &cancelled] {
        let shown = ended(&daemon, operation).await;
        assert_eq!(shown["state"], "succeeded", "{shown}");
        assert_eq!(effects(&world, operation).await, 1, "{shown}");
    }
    let hits = world.look("/faults").await["hits"].as_u64().unwrap();
    assert!(hits > 0, "the fault {fault} never struck");
    world.clear_faults().await;
    world.settled().await;
    world.assert_mirror_equals_truth().await;
    assert_eq!(
        world
            .db
            .count("subscriptions WHERE cancel_at_period_end")
            .await,
        1
    );
}

fn fault(mode: &str) -> Value {
    json!({"target": "stripe", "method": "POST", "mode": mode, "delay_ms": SILENCE_MS, "times": 2})
}

on_both! {
    async fn orders_are_carried_out_once_although_nobody_is_there(world: World) {
        one_effect_under(world, fault("refuse")).await;
    }

    async fn orders_are_carried_out_once_although_stripe_is_silent(world: World) {
        one_effect_under(world, fault("timeout")).await;
    }

    async fn orders_are_carried_out_once_although_the_answers_are_lost(world: World) {
        one_effect_under(world, fault("timeout_after_success")).await;
    }

    async fn orders_are_carried_out_once_although_the_answers_break_off(world: World) {
        one_effect_under(world, fault("drop")).await;
    }

    async fn a_cancellation_at_once_whose_answer_is_lost_is_found(world: World) {
        let node = Node::default().roles("api,worker").set("stripe.timeout", TIMEOUT);
        let daemon = world.daemon_with(node).await;
        let ada = world.subscriber("ada@example.test").await;
        world.settled().await;
        let lost = json!({"target": "stripe", "method": "DELETE", "mode": "timeout_after_success",
            "delay_ms": SILENCE_MS, "times": 1});
        world.fault(&lost).await;
        let path = format!("/v1/subscriptions/{}/cancel", ada.subscription);
        let ordered = daemon.write(Method::POST, &path, &json!({"at_period_end": false}), "k-1").await.ok();
        let again = daemon.write(Method::POST, &path, &json!({"at_period_end": false}), "k-1").await;
        assert_eq!(again.headers["idempotency-replayed"], "true");
        assert_eq!(id(&again.json), id(&ordered));
        // Stripe knows no key with DELETE and refuses the second one; the state of the object decides.
        let shown = ended(&daemon, &ordered).await;
        assert_eq!(shown["state"], "succeeded", "{shown}");
        let ends = world.look("/stripe/truth?type=event&limit=10000").await;
        let ends = ends["data"].as_array().unwrap().iter();
        assert_eq!(ends.filter(|event| event["type"] == "customer.subscription.deleted").count(), 1);
        world.settled().await;
        world.assert_mirror_equals_truth().await;
    }
}
