//! Bad weather at Stripe that is no outage: answers that are none, objects that are not there yet, events of another time,
//! and a key that works no more.

use serde_json::{Value, json};

use crate::support::{Daemon, Node, World, on_both, until, webhook};

/// The least that the configuration allows, so that nobody waits long for an answer that is none.
const TIMEOUT: &str = "1s";
/// An API version two years before ours.
const OLD_VERSION: &str = "2024-06-20";

/// An event of an endpoint that was made two years ago: what has moved since then stands in its old place.
fn old_event(id: &str, subscription: &Value) -> Value {
    let mut old = subscription.clone();
    let item = old["items"]["data"][0].take();
    old["current_period_start"] = item["current_period_start"].clone();
    old["current_period_end"] = item["current_period_end"].clone();
    old["plan"] =
        json!({"id": item["price"]["id"], "object": "plan", "amount": 1250, "interval": "month"});
    old["items"]["data"][0] = json!({"id": item["id"], "object": "subscription_item", "plan": old["plan"], "quantity": 2});
    old["discount"] = Value::Null;
    for new in ["discounts", "billing_mode"] {
        old.as_object_mut().unwrap().remove(new);
    }
    let mut event = webhook::event(id, "customer.subscription.updated", &old);
    event["api_version"] = json!(OLD_VERSION);
    event
}

/// Nothing of this reaches the daemon by itself.
async fn unheard(world: &World) -> Daemon {
    let node = Node::default()
        .roles("api,worker")
        .set("stripe.timeout", TIMEOUT);
    let daemon = world.daemon_with(node).await;
    world.inspect("/stripe/chaos", &json!({"drop": 1.0})).await;
    daemon
}

async fn html_is_answered(world: &World, status: u16) {
    let daemon = unheard(world).await;
    world.subscriber("ada@example.test").await;
    let page = json!({"target": "stripe", "method": "GET", "mode": "html", "status": status, "rate": 0.5, "times": 10});
    world.fault(&page).await;
    daemon.post("/v1/sync/backfill").await;
    world.idle().await;
    assert!(world.look("/faults").await["hits"].as_u64() > Some(0));
    world.assert_mirror_equals_truth().await;
    let seen = daemon.metrics().await.sum(
        "memberd_stripe_requests_total",
        &[("outcome", "unavailable")],
    );
    assert!(seen > 0, "a page was taken for an answer");
}

on_both! {
    async fn pages_of_a_proxy_that_says_all_is_well(world: World) {
        html_is_answered(&world, 200).await;
    }

    async fn pages_of_a_proxy_that_finds_nobody(world: World) {
        html_is_answered(&world, 502).await;
    }

    async fn an_object_that_is_not_there_yet_although_it_was_announced(world: World) {
        let daemon = unheard(&world).await;
        let ada = world.subscriber("ada@example.test").await;
        let path = format!("/v1/customers/{}", ada.customer);
        // Of another API version, so that the customer must be asked for.
        let mut announced = webhook::customer_event("evt_early", &ada.customer);
        announced["api_version"] = json!(OLD_VERSION);
        let missing = json!({"target": "stripe", "method": "GET", "path": path, "mode": "status", "status": 404, "times": 2});
        world.fault(&missing).await;
        webhook::good(&daemon, &announced).await.ok();
        world.idle().await;
        assert_eq!(world.look("/faults").await["hits"], 2);
        assert_eq!(world.db.count("customers WHERE NOT deleted").await, 1);
        assert_eq!(world.db.count("stripe_events WHERE state = 'applied'").await, 1);
    }

    async fn events_of_an_api_version_two_years_old(world: World) {
        let daemon = unheard(&world).await;
        let ada = world.subscriber("ada@example.test").await;
        daemon.post("/v1/sync/backfill").await;
        world.idle().await;
        let path = format!("/v1/subscriptions/{}", ada.subscription);
        let changed = world.stripe("POST", &path, "cancel_at_period_end=true").await;
        webhook::good(&daemon, &old_event("evt_old", &changed)).await.ok();
        world.idle().await;
        world.assert_mirror_equals_truth().await;
        assert_eq!(world.db.count("subscriptions WHERE cancel_at_period_end").await, 1);
        assert_eq!(world.db.count("stripe_events WHERE state = 'applied'").await, 1);
    }

    async fn a_key_that_was_revoked_parks_its_organization_alone(world: World) {
        let node = Node::default().set("organizations.other.stripe.secret_key", "sk_test_revoked");
        let daemon = world.daemon_with(node).await;
        let form = "email=bob@example.test";
        world.stripe_as("sk_test_other", "POST", "/v1/customers", form).await;
        let shown = async || daemon.get_as(&world.other_key, "/v1/sync").await.ok();
        until("the parked organization", async || {
            shown().await["parked"]["reason"].as_str().map(|reason| assert!(reason.contains("401"), "{reason}"))
        })
        .await;
        // The others do not notice.
        world.subscriber("ada@example.test").await;
        until("the other organization's member", async || {
            (world.db.count("members WHERE organization_id = 'default' AND status = 'active'").await == 1).then_some(())
        })
        .await;
        assert_eq!(daemon.get("/v1/sync").await["parked"], Value::Null);
        assert_eq!(daemon.http.get(daemon.url("/readyz")).send().await.unwrap().status(), 200);
        drop(daemon);

        // With a key that works it goes on.
        let mended = world.second_daemon(Node::named("mended")).await;
        until("the end of the parking", async || {
            let shown = mended.get_as(&world.other_key, "/v1/sync").await.ok();
            shown["parked"].is_null().then_some(())
        })
        .await;
        world.idle().await;
        world.assert_mirror_equals_truth().await;
    }
}
