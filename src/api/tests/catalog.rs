//! Tiers, plans and checkouts over HTTP.

use axum::{body::Body, http::Method};
use memberd_jobs::{
    access::Scope,
    kernel::{Registry, ports::StripeError},
};
use serde_json::{Value, json};

use super::{
    mirror::fill,
    support::{Answered, App, request},
};

async fn app() -> (App, String) {
    let app = App::new().await;
    fill(&app.db).await;
    // `fill` mirrors no price of its own.
    let price = json!({"id": "price_1", "object": "price", "created": 1_760_000_000, "livemode": false, "active": true,
        "currency": "usd", "product": "prod_a", "unit_amount": 999,
        "recurring": {"interval": "month", "interval_count": 1}});
    let event = json!({"id": "evt_price", "object": "event", "type": "price.created", "created": 1_760_000_200,
        "livemode": false, "data": {"object": price}});
    app.db.stripe.put(&price);
    memberd_jobs::sync::receive(&app.state.env, "default", &event.to_string())
        .await
        .unwrap();
    app.db.drain(&Registry::of(memberd_jobs::FAMILIES)).await;
    app.db.stripe.forget_calls();
    let key = app.key("default", &[Scope::SubscriptionsWrite]).await;
    (app, key)
}

async fn keyed(app: &App, key: &str, path: &str, once: &str, body: &Value) -> Answered {
    let request = request(Method::POST, path, key)
        .header("content-type", "application/json")
        .header("idempotency-key", once);
    app.send(request.body(Body::from(body.to_string())).unwrap())
        .await
}

/// The path of a checkout for the member of this customer.
fn checkout(customer: &str) -> String {
    format!("/v1/members/ext:stripe:{customer}/checkout")
}

fn page() -> Value {
    json!({"tier_id": "prod_a", "success_url": "https://example.com/in"})
}

fn code(answer: &Answered) -> (u16, String) {
    (answer.status.as_u16(), answer.code())
}

#[tokio::test]
async fn a_tier_is_made_by_operations_and_shown_before_it_is_on_sale() {
    let (app, key) = app().await;
    let body = json!({"name": "VIP", "currency": "usd", "price_monthly": 2499, "price_yearly": 24999,
        "benefits": ["A call"], "limit": 100, "visible": false});
    let made = app.post(&key, "/v1/tiers", &body).await;
    assert_eq!(made.status, 202, "{}", made.text);
    let made = made.json();
    let kinds: Vec<_> = made["operations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["kind"])
        .collect();
    assert_eq!(kinds, ["product.create", "price.create", "price.create"]);
    let reader = app.key("default", &[Scope::MembersRead]).await;
    let tiers = app.get(&reader, "/v1/tiers").await.json();
    let tier = tiers["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|tier| tier["id"] == made["object_id"])
        .unwrap();
    assert_eq!(
        (&tier["limit"], &tier["visible"], &tier["active"]),
        (&json!(100), &json!(false), &json!(false))
    );
    for (body, pointer) in [
        (json!({"name": ""}), "#/name"),
        (json!({"name": "x", "currency": "USD"}), "#/currency"),
        (json!({"name": "x", "price_monthly": -1}), "#/price_monthly"),
        (json!({"name": "x", "limit": -1}), "#/limit"),
    ] {
        let refused = app.post(&key, "/v1/tiers", &body).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer);
    }
    let no_currency = app
        .post(&key, "/v1/tiers", &json!({"name": "x", "price_monthly": 5}))
        .await;
    assert_eq!(code(&no_currency), (422, "invalid_request".to_owned()));
    assert_eq!(app.db.count("stripe_operations").await, 3);
}

#[tokio::test]
async fn what_is_ours_about_a_tier_changes_at_once_and_the_rest_at_stripe() {
    let (app, key) = app().await;
    let tier = "/v1/tiers/prod_a";
    let members = app.key("default", &[Scope::MembersWrite]).await;
    let edit =
        async |key: &str, path: &str, body: Value| app.write(Method::PATCH, key, path, &body).await;
    let ours = edit(&members, tier, json!({"limit": 5, "visible": false})).await;
    assert_eq!(ours.status, 200, "{}", ours.text);
    assert_eq!(ours.json()["limit"], 5);
    let dry = edit(
        &members,
        &format!("{tier}?dry_run=true"),
        json!({"limit": null}),
    )
    .await;
    assert!(dry.json()["limit"].is_null());
    let unchanged = edit(&members, tier, json!({"visible": true})).await.json();
    assert_eq!(
        (&unchanged["limit"], &unchanged["visible"]),
        (&json!(5), &json!(true))
    );
    let refused = edit(&members, tier, json!({"name": "A+"})).await;
    assert_eq!(code(&refused), (403, "insufficient_scope".to_owned()));
    let both = app
        .key("default", &[Scope::MembersWrite, Scope::SubscriptionsWrite])
        .await;
    let placed = edit(
        &both,
        tier,
        json!({"name": "A+", "price_monthly": 1299, "limit": 7}),
    )
    .await;
    assert_eq!(placed.status, 202, "{}", placed.text);
    assert_eq!(placed.json()["operations"].as_array().unwrap().len(), 3);
    assert_eq!(
        code(&edit(&both, "/v1/tiers/prod_x", json!({"name": "x"})).await),
        (404, "not_found".to_owned())
    );

    let archived = app.act(&key, "/v1/tiers/prod_a/archive").await;
    assert_eq!(archived.status, 202, "{}", archived.text);
    assert_eq!(
        archived.json()["operations"][0]["after"],
        placed.json()["operations"][0]["id"]
    );
    let plan = json!({"tier_id": "prod_a", "currency": "usd", "amount": 2999, "interval": "month", "interval_count": 3});
    assert_eq!(app.post(&key, "/v1/plans", &plan).await.status, 202);
    let raised = app
        .write(
            Method::PATCH,
            &key,
            "/v1/plans/price_1",
            &json!({"amount": 1099}),
        )
        .await;
    assert_eq!(
        raised.json()["operations"].as_array().unwrap().len(),
        2,
        "{}",
        raised.text
    );
    assert_eq!(app.act(&key, "/v1/plans/price_1/archive").await.status, 202);
    assert_eq!(
        code(&app.act(&key, "/v1/plans/price_x/archive").await),
        (404, "not_found".to_owned())
    );
}

#[tokio::test]
async fn a_checkout_is_answered_with_its_page_and_again_by_its_key() {
    let (app, key) = app().await;
    let dry = app
        .post(
            &key,
            &format!("{}?dry_run=true", checkout("cus_2")),
            &page(),
        )
        .await;
    assert_eq!(dry.status, 202, "{}", dry.text);
    assert!(dry.json()["url"].is_null() && app.db.stripe.calls().is_empty());
    let session = json!({"id": "cs_1", "object": "checkout.session", "url": "https://pay/cs_1", "status": "open",
        "expires_at": 1_768_476_600});
    app.db.stripe.answer_next(&session);
    let made = keyed(&app, &key, &checkout("cus_2"), "k", &page()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.json()["url"], "https://pay/cs_1");
    assert_eq!(made.json()["operation"]["state"], "succeeded");
    let again = keyed(&app, &key, &checkout("cus_2"), "k", &page()).await;
    assert_eq!((again.status, &again.text), (made.status, &made.text));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    // Without the key it is the same page, too.
    let same = app.post(&key, &checkout("cus_2"), &page()).await;
    assert_eq!(same.json()["id"], "cs_1", "{}", same.text);
    assert_eq!(app.db.count("stripe_operations").await, 1);
}

#[tokio::test]
async fn a_checkout_that_cannot_be_is_refused_by_the_seeds_codes() {
    let (app, key) = app().await;
    let post = async |path: String, body: Value| app.post(&key, &path, &body).await;
    assert_eq!(
        code(&post(checkout("cus_1"), page()).await),
        (409, "already_subscribed".to_owned())
    );
    let tier = json!({"tier_id": "prod_x", "success_url": "https://example.com/in"});
    assert_eq!(
        code(&post(checkout("cus_2"), tier).await),
        (400, "invalid_tier".to_owned())
    );
    assert_eq!(
        code(&post(checkout("cus_9"), page()).await),
        (404, "member_not_found".to_owned())
    );
    let url = json!({"tier_id": "prod_a", "success_url": "javascript:alert(1)"});
    let refused = post(checkout("cus_2"), url).await;
    assert_eq!(
        refused.json()["errors"][0]["pointer"],
        "#/success_url",
        "{}",
        refused.text
    );

    app.db.stripe.fail_next(StripeError::Refused {
        status: 402,
        code: "card_declined".to_owned(),
        message: "no".to_owned(),
        request_id: "req_7".to_owned(),
    });
    let declined = post(checkout("cus_2"), page()).await;
    assert_eq!(code(&declined), (400, "payment_failed".to_owned()));
    assert!(declined.text.contains("req_7") && declined.text.contains("card_declined"));

    let members = app.key("default", &[Scope::MembersWrite]).await;
    app.write(
        Method::PATCH,
        &members,
        "/v1/tiers/prod_a",
        &json!({"limit": 1}),
    )
    .await;
    assert_eq!(
        code(&post(checkout("cus_2"), page()).await),
        (422, "tier_limit_reached".to_owned())
    );
}

#[tokio::test]
async fn a_checkout_without_stripes_answer_is_left_to_its_job() {
    let (app, key) = app().await;
    app.db
        .stripe
        .fail_next(StripeError::Unavailable("down".to_owned()));
    let left = app.post(&key, &checkout("cus_2"), &page()).await;
    assert_eq!(left.status, 202, "{}", left.text);
    let session = json!({"id": "cs_1", "object": "checkout.session", "url": "https://pay/cs_1"});
    app.db.stripe.answer_next(&session);
    app.clock.advance(std::time::Duration::from_secs(15));
    app.db.drain(&Registry::of(memberd_jobs::FAMILIES)).await;
    let path = format!(
        "/v1/operations/{}",
        left.json()["operation"]["id"].as_str().unwrap()
    );
    assert_eq!(
        app.get(&key, &path).await.json()["answer"]["url"],
        "https://pay/cs_1"
    );
}
