//! The inspector, the world and the scenarios.

use memberd_sandbox::{Options, StartTime};
use serde_json::{Value, json};

use crate::support::{DAY, START, id, start, start_with};

#[tokio::test]
async fn the_same_seed_gives_the_same_world() {
    let mut worlds = Vec::new();
    for seed in [7, 7, 8] {
        let options = Options {
            seed,
            start: StartTime::Frozen(START),
            ..Options::default()
        };
        let sandbox = start_with(options).await;
        sandbox
            .post_json("/stripe/world", &json!({"seed": seed, "members": 60}))
            .await
            .ok();
        sandbox
            .post_json(
                "/stripe/scenario",
                &json!({"name": "busy_day", "events": 100}),
            )
            .await
            .ok();
        sandbox.advance(40 * DAY).await;
        worlds.push(sandbox.truth().await);
        sandbox.stop().await;
    }
    assert_eq!(worlds[0], worlds[1]);
    assert_ne!(worlds[0], worlds[2]);
}

#[tokio::test]
async fn a_world_has_tiers_and_members_in_every_state() {
    let sandbox = start().await;
    let world = sandbox
        .post_json("/stripe/world", &json!({"seed": 3, "members": 300}))
        .await
        .ok();
    assert_eq!(
        (&world["members"], &world["counts"]["customer"]),
        (&json!(300), &json!(300))
    );
    assert_eq!(
        (&world["counts"]["product"], &world["counts"]["price"]),
        (&json!(4), &json!(7))
    );
    for status in ["active", "trialing", "past_due", "canceled", "incomplete"] {
        assert!(
            world["counts"]["subscription_status"][status]
                .as_u64()
                .unwrap()
                > 0,
            "{status}"
        );
    }
    let products = sandbox.get("/v1/products").await.ok();
    let products = products["data"].as_array().unwrap();
    let defaults = products
        .iter()
        .filter(|product| product["metadata"]["memberd_default"] == "true");
    assert_eq!(defaults.count(), 1);
    assert!(
        products
            .iter()
            .all(|product| !product["marketing_features"].as_array().unwrap().is_empty())
    );
    let subscriptions = sandbox.get("/stripe/truth?type=subscription").await.ok();
    let any =
        |fits: &dyn Fn(&Value) -> bool| subscriptions["data"].as_array().unwrap().iter().any(fits);
    assert!(any(&|one| one["pause_collection"].is_object()));
    assert!(any(&|one| one["cancel_at_period_end"] == json!(true)));
    assert!(any(
        &|one| one["items"]["data"].as_array().unwrap().len() > 1
    ));
    assert!(any(
        &|one| one["items"]["data"][0]["price"]["recurring"]["interval"] == "year"
    ));
    let customers = sandbox.get("/stripe/truth?type=customer").await.ok();
    for customer in customers["data"].as_array().unwrap() {
        let email = customer["email"].as_str().unwrap();
        assert!(
            ["example.com", "example.org", "example.net"]
                .iter()
                .any(|domain| email.ends_with(domain))
        );
    }
    // A second call adds members to the same catalog.
    let more = sandbox
        .post_json("/stripe/world", &json!({"seed": 4, "members": 5}))
        .await
        .ok();
    assert_eq!(
        (&more["counts"]["customer"], &more["counts"]["product"]),
        (&json!(305), &json!(4))
    );
    sandbox.stop().await;
}

#[tokio::test]
async fn scenarios_do_what_they_are_called() {
    let sandbox = start().await;
    sandbox
        .post_json("/stripe/world", &json!({"members": 30}))
        .await
        .ok();
    let customer = sandbox.customer("name=Ada").await;
    let skip = sandbox.events().await.len();
    let body = json!({"name": "subscribe_pause_resume_cancel", "member": customer});
    let played = sandbox.post_json("/stripe/scenario", &body).await.ok();
    let types = sandbox.event_types(skip).await;
    assert_eq!(
        (&played["members"], &played["events"]),
        (&json!([customer]), &json!(types.len()))
    );
    let own = sandbox
        .get(&format!("/v1/subscriptions?status=all&customer={customer}"))
        .await
        .ok();
    assert_eq!(own["data"][0]["status"], "canceled");
    assert_eq!(types.last().unwrap(), "customer.subscription.deleted");

    let upgraded = sandbox
        .post_json(
            "/stripe/scenario",
            &json!({"name": "upgrade", "member": customer}),
        )
        .await
        .ok();
    assert_eq!(upgraded["members"], json!([customer]));
    let own = sandbox
        .get(&format!("/v1/subscriptions?customer={customer}"))
        .await
        .ok();
    assert_eq!(
        own["data"][0]["items"]["data"][0]["price"]["lookup_key"],
        "premium_monthly"
    );

    sandbox
        .post_json(
            "/stripe/scenario",
            &json!({"name": "churn", "member": customer}),
        )
        .await
        .ok();
    let own = sandbox
        .get(&format!("/v1/subscriptions?customer={customer}"))
        .await
        .ok();
    assert_eq!(own["data"], json!([]));

    let active = || async {
        sandbox.get("/stripe/truth").await.ok()["accounts"]["acct_1SandboxFirst0001"]["subscription_status"]["active"].as_u64().unwrap()
    };
    let before = active().await;
    sandbox
        .post_json("/stripe/scenario", &json!({"name": "churn"}))
        .await
        .ok();
    assert_eq!(active().await, before - before.div_ceil(10));
    sandbox.stop().await;
}

#[tokio::test]
async fn the_log_shows_requests_and_the_truth_comes_in_pages() {
    let sandbox = start().await;
    let (ada, bob) = (
        sandbox.customer("name=Ada").await,
        sandbox.customer("name=Bob").await,
    );
    sandbox
        .post_keyed(&format!("/v1/customers/{ada}"), "name=Eva", "k")
        .await
        .ok();
    let log = sandbox.get("/stripe/log?limit=1").await.ok();
    assert_eq!(
        log["by_route"],
        json!({"POST /v1/customers": 2, "POST /v1/customers/{id}": 1})
    );
    let last = &log["requests"][0];
    assert_eq!(
        (&last["idempotency_key"], &last["status"]),
        (&json!("k"), &json!(200))
    );
    let page = sandbox
        .get("/stripe/truth?type=customer&limit=1")
        .await
        .ok();
    assert_eq!(
        (&page["has_more"], &page["next"], &page["total"]),
        (&json!(true), &json!(ada), &json!(2))
    );
    let next = sandbox
        .get(&format!("/stripe/truth?type=customer&limit=1&after={ada}"))
        .await
        .ok();
    assert_eq!(
        (id(&next["data"][0]), &next["has_more"], &next["next"]),
        (bob, &json!(false), &Value::Null)
    );
    sandbox.stop().await;
}

#[tokio::test]
async fn wrong_requests_are_refused_with_the_field() {
    let sandbox = start().await;
    for (path, body, field) in [
        ("/clock", json!({}), json!("advance_seconds")),
        (
            "/clock",
            json!({"advance_seconds": -1}),
            json!("advance_seconds"),
        ),
        (
            "/faults",
            json!({"target": "moon", "mode": "refuse"}),
            json!("target"),
        ),
        ("/faults", json!({"target": "stripe"}), json!("mode")),
        (
            "/faults",
            json!({"target": "stripe", "mode": "status", "rate": 2}),
            json!("rate"),
        ),
        (
            "/faults",
            json!({"target": "stripe", "mode": "status", "color": 2}),
            json!("color"),
        ),
        (
            "/stripe/world",
            json!({"members": "many"}),
            json!("members"),
        ),
        (
            "/stripe/world",
            json!({"account": "acct_no"}),
            json!("account"),
        ),
        ("/stripe/scenario", json!({}), json!("name")),
        ("/stripe/scenario", json!({"name": "war"}), json!("name")),
        (
            "/stripe/scenario",
            json!({"name": "upgrade", "member": "cus_no"}),
            json!("member"),
        ),
        ("/stripe/chaos", json!({"drop": 1.5}), json!("drop")),
        ("/stripe/replay", json!({}), json!("event")),
        (
            "/stripe/webhook_endpoints",
            json!({"url": "ftp://x"}),
            json!("url"),
        ),
        (
            "/stripe/limits",
            json!({"read_per_second": 0}),
            json!("read_per_second"),
        ),
        ("/stripe/limits", json!([1]), Value::Null),
    ] {
        let answer = sandbox.post_json(path, &body).await;
        assert_eq!(
            (answer.status, &answer.json["error"]["field"]),
            (400, &field),
            "{path} {body}"
        );
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn unknown_routes_are_answered_in_json_and_the_overview_lists_the_known() {
    let sandbox = start().await;
    for (path, status) in [
        ("/nothing", 404),
        ("/stripe/nothing", 404),
        ("/stripe/world", 405),
        ("/healthz", 200),
    ] {
        let answer = sandbox.get(path).await;
        assert!(
            answer.status == status && answer.json.is_object(),
            "{path} {}",
            answer.status
        );
    }
    let overview = sandbox.get("/").await.json;
    assert!(overview.as_str().unwrap().contains("POST /stripe/scenario"));
    sandbox.stop().await;
}

#[tokio::test]
async fn old_events_can_no_longer_be_read() {
    let sandbox = start().await;
    sandbox.customer("").await;
    let event = id(&sandbox.get("/v1/events").await.ok()["data"][0]);
    sandbox.advance(30 * DAY).await;
    assert_eq!(
        sandbox.get(&format!("/v1/events/{event}")).await.status,
        200
    );
    sandbox.advance(1).await;
    assert_eq!(
        sandbox.get(&format!("/v1/events/{event}")).await.error(),
        (404, "resource_missing", "id")
    );
    assert_eq!(sandbox.get("/v1/events").await.ok()["data"], json!([]));
    sandbox.stop().await;
}
