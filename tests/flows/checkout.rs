//! From a checkout that memberd makes to access: the page is the sandbox's.

use reqwest::{Method, StatusCode, redirect::Policy};
use serde_json::{Value, json};

use crate::support::{Daemon, World, id, on_both, quiet_daemon};

/// A tier with a monthly price, and somebody who has not paid for it.
async fn reader(world: &World) -> (String, String) {
    let product = id(&world.stripe("POST", "/v1/products", "name=Gold").await);
    let form = format!("product={product}&currency=eur&unit_amount=900&recurring[interval]=month");
    world.stripe("POST", "/v1/prices", &form).await;
    let customer = id(&world
        .stripe("POST", "/v1/customers", "email=ada@example.test&name=Ada")
        .await);
    world.settled().await;
    (product, customer)
}

async fn checkout(daemon: &Daemon, customer: &str, product: &str, key: &str) -> Value {
    let path = format!("/v1/members/ext:stripe:{customer}/checkout");
    let body = json!({"tier_id": product, "interval": "month",
        "success_url": "https://example.test/in?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://example.test/out"});
    daemon.write(Method::POST, &path, &body, key).await.ok()
}

async fn may(daemon: &Daemon, customer: &str, product: &str) -> Value {
    let path = format!("/v1/members/ext:stripe:{customer}/access?product={product}");
    daemon.get(&path).await["allowed"].clone()
}

/// Presses a button of the page; answers the status, and where the browser is sent.
async fn press(page: &str, button: &str) -> (StatusCode, String) {
    let browser = reqwest::Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .build()
        .unwrap();
    let request = browser.post(page).body(format!("button={button}"));
    let answer = request.send().await.unwrap();
    let to = answer
        .headers()
        .get("location")
        .map_or("", |to| to.to_str().unwrap());
    (answer.status(), to.to_owned())
}

on_both! {
    async fn a_member_buys_a_subscription_on_a_checkout_page(world: World) {
        let daemon = quiet_daemon(&world).await;
        let (product, customer) = reader(&world).await;
        assert_eq!(may(&daemon, &customer, &product).await, json!(false));
        let made = checkout(&daemon, &customer, &product, "k-1").await;
        let page = made["url"].as_str().unwrap();
        let text = world.http.get(page).send().await.unwrap().text().await.unwrap();
        assert!(text.contains("9.00 EUR") && text.contains("ada@example.test"), "{text}");

        assert_eq!(press(page, "decline").await, (StatusCode::OK, String::new()));
        world.settled().await;
        assert_eq!(may(&daemon, &customer, &product).await, json!(false));
        // The same page is still open, so there is no second one.
        assert_eq!(checkout(&daemon, &customer, &product, "k-2").await["id"], made["id"]);

        let there = format!("https://example.test/in?session={}", made["id"].as_str().unwrap());
        assert_eq!(press(page, "pay").await, (StatusCode::SEE_OTHER, there));
        world.settled().await;
        assert_eq!(may(&daemon, &customer, &product).await, json!(true));
        assert_eq!(world.db.count("subscriptions WHERE status = 'active'").await, 1);
        assert_eq!(press(page, "pay").await.0, StatusCode::BAD_REQUEST);
        let path = format!("/v1/members/ext:stripe:{customer}/checkout");
        let again = json!({"tier_id": product, "success_url": "https://example.test/in"});
        let refused = daemon.write(Method::POST, &path, &again, "k-3").await;
        assert_eq!(refused.json["code"], "already_subscribed", "{}", refused.json);
        world.settled().await;
        world.assert_mirror_equals_truth().await;
    }

    async fn what_was_given_back_is_known(world: World) {
        let daemon = quiet_daemon(&world).await;
        let ada = world.subscriber("ada@example.test").await;
        let charges = world.stripe("GET", &format!("/v1/charges?customer={}", ada.customer), "").await;
        let charge = id(&charges["data"][0]);
        world.stripe("POST", "/v1/refunds", &format!("charge={charge}&amount=500")).await;
        world.settled().await;
        assert_eq!(world.db.count("refunds WHERE amount = 500").await, 1);
        assert_eq!(world.db.count("charges WHERE amount_refunded = 500").await, 1);
        world.assert_mirror_equals_truth().await;
        drop(daemon);
    }
}
