//! kill -9 while operations are sent: each has exactly one effect at Stripe.

use std::{collections::BTreeMap, time::Duration};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use reqwest::Method;
use serde_json::{Value, json};

use super::seed;
use crate::{
    flows::operations::ended,
    support::{Node, World, id, let_pass},
};

/// Subscriptions, each of which is paused, resumed and cancelled.
const SUBSCRIPTIONS: usize = 15;
const KILLS: usize = 10;
/// The sandbox is slow, so that kills hit requests on their way.
const SLOW_MS: u64 = 120;

async fn survives(world: World) {
    let mut rng = StdRng::seed_from_u64(seed());
    let node = Node::default()
        .roles("api,worker")
        .set("queues.stripe.concurrency", "4");
    let mut daemon = world.daemon_with(node).await;
    let mut subscriptions = Vec::new();
    for number in 0..SUBSCRIPTIONS {
        let email = format!("member{number}@example.test");
        subscriptions.push(world.subscriber(&email).await.subscription);
    }
    world.settled().await;
    let slow = json!({"target": "stripe", "method": "POST", "mode": "slow", "delay_ms": SLOW_MS});
    world.fault(&slow).await;
    let mut operations = Vec::new();
    for subscription in &subscriptions {
        for (order, body) in [
            ("pause", json!({})),
            ("resume", json!({})),
            ("cancel", json!({"at_period_end": false})),
        ] {
            let path = format!("/v1/subscriptions/{subscription}/{order}");
            let key = format!("{subscription}-{order}");
            operations.push(daemon.write(Method::POST, &path, &body, &key).await.ok());
        }
    }
    for _ in 0..KILLS {
        let_pass(Duration::from_millis(rng.random_range(0..700))).await;
        daemon.kill9();
        daemon.up().await;
    }
    let (mut sends, mut seen) = (0, BTreeMap::new());
    for operation in &operations {
        let shown = ended(&daemon, operation).await;
        assert_eq!(shown["state"], "succeeded", "{shown}");
        sends += shown["sends"].as_u64().unwrap();
    }
    world.clear_faults().await;
    world.settled().await;
    world.assert_mirror_equals_truth().await;
    let events = world.look("/stripe/truth?type=event&limit=10000").await;
    for event in events["data"].as_array().unwrap() {
        if let Some(key) = event["request"]["idempotency_key"].as_str() {
            *seen.entry(key.to_owned()).or_insert(0) += 1;
        }
    }
    let ends = |event: &&Value| event["type"] == "customer.subscription.deleted";
    let ends = events["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(ends)
        .count();
    assert_eq!(ends, SUBSCRIPTIONS);
    for operation in operations
        .iter()
        .filter(|operation| operation["request"]["method"] == "POST")
    {
        let key = format!("memberd:{}", id(operation));
        assert_eq!(seen.get(&key), Some(&1), "{operation}");
    }
    println!(
        "{} operations, {sends} sends, {KILLS} kills, each has one effect",
        operations.len()
    );
    assert!(
        sends > operations.len() as u64,
        "no kill hit a request on its way"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_under_kills_have_one_effect_each_on_sqlite() {
    survives(World::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_under_kills_have_one_effect_each_on_postgres() {
    survives(World::postgres().await).await;
}
