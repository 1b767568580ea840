//! Tiers and plans that are made here are there at the fake Stripe, and in the mirror.

use reqwest::Method;
use serde_json::{Value, json};

use super::operations::ended;
use crate::support::{Daemon, World, on_both, quiet_daemon};

/// Waits for the success of all steps of an order; answers the ids of what they changed or made.
async fn carried_out(daemon: &Daemon, placed: &Value) -> Vec<String> {
    let mut objects = Vec::new();
    for operation in placed["operations"].as_array().unwrap() {
        let shown = ended(daemon, operation).await;
        assert_eq!(shown["state"], "succeeded", "{shown}");
        objects.push(shown["object_id"].as_str().unwrap().to_owned());
    }
    objects
}

on_both! {
    async fn a_tier_and_its_plans_live_at_stripe(world: World) {
        let daemon = quiet_daemon(&world).await;
        let body = json!({"name": "VIP", "description": "All of it", "currency": "eur", "price_monthly": 2499,
            "price_yearly": 24999, "benefits": ["A call"], "limit": 100});
        let made = daemon.write(Method::POST, "/v1/tiers", &body, "vip").await.ok();
        let objects = carried_out(&daemon, &made).await;
        let (product, monthly) = (&objects[0], &objects[1]);
        let there = world.stripe("GET", &format!("/v1/products/{product}"), "").await;
        assert_eq!((&there["name"], &there["active"]), (&json!("VIP"), &json!(true)));
        let there = world.stripe("GET", &format!("/v1/prices/{monthly}"), "").await;
        assert_eq!((&there["unit_amount"], &there["recurring"]["interval"]), (&json!(2499), &json!("month")));

        // A dearer price takes the currency of the one before, which must be here.
        world.settled().await;
        let path = format!("/v1/tiers/{product}");
        let dearer = json!({"name": "VIP+", "price_monthly": 2999});
        let changed = daemon.write(Method::PATCH, &path, &dearer, "dearer").await.ok();
        let steps = carried_out(&daemon, &changed).await;
        assert_eq!((steps.len(), &steps[2]), (3, monthly));
        let there = world.stripe("GET", &format!("/v1/prices/{monthly}"), "").await;
        assert_eq!(there["active"], false);
        let named = json!({"nickname": "By the month"});
        let plan = format!("/v1/plans/{}", steps[1]);
        world.settled().await;
        carried_out(&daemon, &daemon.write(Method::PATCH, &plan, &named, "named").await.ok()).await;

        carried_out(&daemon, &daemon.post(&format!("{path}/archive")).await).await;
        world.settled().await;
        world.assert_mirror_equals_truth().await;
        assert_eq!(world.db.count("prices WHERE active").await, 2);
        assert_eq!(world.db.count("tiers WHERE name = 'VIP+' AND NOT active AND member_limit = 100").await, 1);
    }
}
