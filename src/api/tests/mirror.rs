//! Subscriptions, invoices, events and the state of the mirror over HTTP.

use std::time::Duration;

use memberd_jobs::{
    access::Scope,
    kernel::Registry,
    sync::{Received, receive},
    testing::TestDb,
};
use serde_json::{Value, json};

use super::support::App;

pub(super) fn price() -> Value {
    json!({"id": "price_1", "object": "price", "created": 1_760_000_000, "livemode": false, "active": true,
           "currency": "usd", "product": "prod_a", "unit_amount": 999,
           "recurring": {"interval": "month", "interval_count": 1}})
}

/// Two customers, of whom the first subscribes to `prod_a`; `prod_free` is the default tier.
pub(super) async fn fill(db: &TestDb) {
    let product = |id: &str, default: bool| {
        json!({"id": id, "object": "product", "created": 1_760_000_000, "livemode": false, "active": true,
               "name": id, "metadata": {"memberd_default": default.to_string()},
               "marketing_features": [{"name": "Early access"}]})
    };
    let customer = |id: &str| {
        json!({"id": id, "object": "customer", "created": 1_760_000_000, "livemode": false,
               "email": format!("{id}@example.com"), "name": "Jane", "metadata": {}})
    };
    let subscription = json!({"id": "sub_1", "object": "subscription", "created": 1_760_000_100, "livemode": false,
        "customer": "cus_1", "status": "active", "start_date": 1_760_000_100, "currency": "usd",
        "cancel_at_period_end": false, "collection_method": "charge_automatically",
        "items": {"object": "list", "data": [{"id": "si_1", "object": "subscription_item", "quantity": 1,
            "price": price(), "current_period_start": 1_760_000_100, "current_period_end": 1_762_600_000}]}});
    let invoice = |id: &str| {
        json!({"id": id, "object": "invoice", "created": 1_760_000_100, "livemode": false, "customer": "cus_1",
               "status": "paid", "currency": "usd", "total": 999, "amount_due": 999, "amount_paid": 999,
               "amount_remaining": 0, "attempt_count": 1,
               "parent": {"subscription_details": {"subscription": "sub_1"}}})
    };
    let objects = [
        product("prod_a", false),
        product("prod_free", true),
        customer("cus_1"),
        customer("cus_2"),
        subscription,
        invoice("in_1"),
        invoice("in_2"),
    ];
    let registry = Registry::of(memberd_jobs::FAMILIES);
    for (number, object) in objects.iter().enumerate() {
        db.stripe.put(object);
        let event = json!({"id": format!("evt_{number}"), "object": "event", "type": "any.change",
            "created": 1_760_000_200, "livemode": false, "data": {"object": object}});
        let received = receive(&db.env, "default", &event.to_string())
            .await
            .unwrap();
        assert_eq!(received, Received::New);
        db.drain(&registry).await;
        db.advance(Duration::from_secs(1));
    }
}

fn ids(page: &Value) -> Vec<&str> {
    let rows = page["data"].as_array().unwrap();
    rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn subscriptions_and_invoices_are_listed_with_formatted_amounts() {
    let app = App::new().await;
    fill(&app.db).await;
    let key = app.admin().await;
    let subscription = app.get(&key, "/v1/subscriptions/sub_1").await.json();
    assert_eq!(subscription["items"][0]["formatted_unit_amount"], "$9.99");
    let member = subscription["member_id"].as_str().unwrap();
    for (query, found) in [
        (String::new(), 1),
        (format!("?member_id={member}&status=active"), 1),
        ("?status=canceled".to_owned(), 0),
        ("?member_id=mem_none".to_owned(), 0),
    ] {
        let page = app.get(&key, &format!("/v1/subscriptions{query}")).await;
        assert_eq!(ids(&page.json()).len(), found, "{query}");
    }
    let first = app.get(&key, "/v1/invoices?limit=1").await.json();
    assert_eq!(first["data"][0]["formatted_total"], "$9.99");
    assert_eq!(ids(&first), ["in_2"]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = app
        .get(&key, &format!("/v1/invoices?cursor={cursor}"))
        .await;
    assert_eq!(ids(&rest.json()), ["in_1"]);
    let none = app.get(&key, "/v1/invoices?subscription_id=sub_9").await;
    assert!(ids(&none.json()).is_empty());
    let other = app.key("other", &Scope::ALL).await;
    let foreign = app.get(&other, "/v1/subscriptions/sub_1").await;
    assert_eq!(
        (foreign.status.as_u16(), foreign.code()),
        (404, "not_found".to_owned())
    );
    assert!(ids(&app.get(&other, "/v1/invoices").await.json()).is_empty());
}

#[tokio::test]
async fn purchases_plans_and_coupons_are_shown_with_what_belongs_to_them() {
    let app = App::new().await;
    fill(&app.db).await;
    let card = json!({"id": "pm_1", "object": "payment_method", "type": "card", "customer": "cus_1", "created": 5,
        "card": {"brand": "visa", "last4": "4242", "exp_month": 3, "exp_year": 2030}});
    let mut customer = json!({"id": "cus_1", "object": "customer", "created": 1_760_000_000,
        "email": "cus_1@example.com"});
    customer["invoice_settings"] = json!({"default_payment_method": "pm_1"});
    let coupon = json!({"id": "SPRING", "object": "coupon", "created": 5, "amount_off": 500, "currency": "usd",
        "duration": "forever", "valid": true});
    let code = json!({"id": "promo_1", "object": "promotion_code", "created": 5, "code": "5DOLLAROFF", "active": true,
        "promotion": {"coupon": "SPRING"}});
    for object in [card, customer, price(), coupon, code] {
        app.db.stripe.put(&object);
    }
    let key = app.admin().await;
    app.act(&key, "/v1/sync/backfill").await;
    app.db.drain(&Registry::of(memberd_jobs::FAMILIES)).await;

    let purchases = app.get(&key, "/v1/purchases").await.json();
    assert_eq!(ids(&purchases), ["pur_in_2", "pur_in_1"]);
    let one = &purchases["data"][0];
    assert_eq!(
        (
            &one["status_label"],
            &one["formatted_amount"],
            &one["provider"]
        ),
        (&json!("Completed"), &json!("$9.99"), &json!("stripe"))
    );
    let first = app.get(&key, "/v1/purchases?limit=1").await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let path = format!("/v1/purchases?cursor={cursor}");
    assert_eq!(ids(&app.get(&key, &path).await.json()), ["pur_in_1"]);
    let path = "/v1/members?include=entitlements,purchases";
    let members = app.get(&key, path).await.json();
    let bought = |at: usize| members["data"][at]["purchases"].as_array().unwrap().len();
    assert_eq!((bought(0), bought(1)), (0, 2), "{members}");
    assert!(members["data"][1]["entitlements"].is_array());
    let shown = app.get(&key, "/v1/members/ext:stripe:cus_1").await.json();
    assert!(shown["entitlements"].is_array() && shown.get("purchases").is_none());

    let plan = &app.get(&key, "/v1/plans?active=true").await.json()["data"][0];
    assert_eq!(
        (
            &plan["name"],
            &plan["formatted_amount"],
            &plan["auto_renew"]
        ),
        (&json!("prod_a"), &json!("$9.99"), &json!(true))
    );
    let coupon = &app.get(&key, "/v1/coupons?code=5DOLLAROFF").await.json()["data"][0];
    assert_eq!(
        (&coupon["id"], &coupon["code"], &coupon["formatted_off"]),
        (&json!("SPRING"), &json!("5DOLLAROFF"), &json!("$5.00"))
    );
    let subscription = app.get(&key, "/v1/subscriptions/sub_1").await.json();
    assert_eq!(subscription["payment_method"]["label"], "Visa •••• 4242");
    assert_eq!(subscription["plan"]["id"], "price_1");
    assert_eq!(
        subscription["renews_at"],
        subscription["current_period_end"]
    );
    let invoice = &app.get(&key, "/v1/invoices").await.json()["data"][0];
    assert_eq!(
        (&invoice["paid"], &invoice["payment_method"]["last4"]),
        (&json!(true), &json!("4242"))
    );
    let other = app.key("other", &Scope::ALL).await;
    for path in ["/v1/purchases", "/v1/plans", "/v1/coupons"] {
        assert!(ids(&app.get(&other, path).await.json()).is_empty());
    }
}

#[tokio::test]
async fn the_mirror_tells_how_it_is_and_can_be_filled_anew() {
    let app = App::new().await;
    fill(&app.db).await;
    let key = app.admin().await;
    let status = app.get(&key, "/v1/sync").await.json();
    assert_eq!(status["has_stripe"], true);
    assert_eq!(status["events"][0]["count"], 7);
    let types = status["objects"].as_array().unwrap();
    assert!(
        types
            .iter()
            .any(|row| row["object_type"] == "invoice" && row["count"] == 2)
    );
    for verb in ["backfill", "reconcile"] {
        let first = app.act(&key, &format!("/v1/sync/{verb}")).await;
        assert_eq!(first.status, 201, "{}", first.text);
        let again = app.act(&key, &format!("/v1/sync/{verb}")).await;
        assert_eq!(again.status, 200);
        assert_eq!(again.json()["id"], first.json()["id"]);
    }
    app.db.stripe.put(&price());
    let diff = app.get(&key, "/v1/sync/diff").await;
    assert_eq!(diff.status, 200, "{}", diff.text);
    let diff = diff.json();
    assert_eq!(
        (&diff["equal"], &diff["drifted"]),
        (&json!(false), &json!(1))
    );
    assert_eq!(diff["drift"][0]["how"], "missing");
    let other = app.key("other", &Scope::ALL).await;
    for answer in [
        app.act(&other, "/v1/sync/backfill").await,
        app.get(&other, "/v1/sync/diff").await,
    ] {
        assert_eq!(answer.status, 422, "{}", answer.text);
    }
}

#[tokio::test]
async fn received_events_are_listed_without_bodies_and_can_be_replayed() {
    let app = App::new().await;
    fill(&app.db).await;
    let key = app.admin().await;
    let page = app
        .get(&key, "/v1/stripe-events?limit=2&state=applied")
        .await;
    assert!(!page.text.contains("@example.com"), "{}", page.text);
    let page = page.json();
    assert_eq!(ids(&page), ["evt_6", "evt_5"]);
    let cursor = page["next_cursor"].as_str().unwrap();
    let path = format!("/v1/stripe-events?limit=100&cursor={cursor}");
    assert_eq!(ids(&app.get(&key, &path).await.json()).len(), 5);
    let found = app.get(&key, "/v1/stripe-events?object_id=sub_1").await;
    assert_eq!(ids(&found.json()), ["evt_4"]);
    let none = app.get(&key, "/v1/stripe-events?type=x").await;
    assert!(ids(&none.json()).is_empty());
    let job = app.act(&key, "/v1/stripe-events/evt_4/replay").await;
    assert_eq!(job.status, 201, "{}", job.text);
    assert_eq!(job.json()["kind"], "sync.fetch_object");
    let other = app.key("other", &Scope::ALL).await;
    for (key, id) in [(&key, "evt_9"), (&other, "evt_4")] {
        let answer = app
            .act(key, &format!("/v1/stripe-events/{id}/replay"))
            .await;
        assert_eq!(answer.status, 404);
    }
}
