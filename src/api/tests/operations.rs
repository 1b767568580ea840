//! Orders over HTTP: what is answered, that a repetition changes nothing, and that a dry run does nothing.

use std::time::Duration;

use axum::{body::Body, http::Method};
use memberd_jobs::{
    access::Scope,
    kernel::{Registry, idempotency},
    testing::Call,
};
use serde_json::{Value, json};

use super::{
    mirror::fill,
    support::{Answered, App, request},
};

const CANCEL: &str = "/v1/subscriptions/sub_1/cancel";
const PAUSE: &str = "/v1/subscriptions/sub_1/pause";
const RESUME: &str = "/v1/subscriptions/sub_1/resume";

async fn app() -> (App, String) {
    let app = App::new().await;
    fill(&app.db).await;
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

fn writes(app: &App) -> usize {
    let calls = app.db.stripe.calls();
    let write = |call: &&Call| matches!(call, Call::Perform(..));
    calls.iter().filter(write).count()
}

#[tokio::test]
async fn an_order_is_answered_with_the_operation_and_carried_out_by_its_job() {
    let (app, key) = app().await;
    let body = json!({"at_period_end": false, "comment": "bye", "feedback": "unused"});
    let answer = app.post(&key, CANCEL, &body).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let operation = answer.json();
    assert_eq!(operation["kind"], "subscription.cancel");
    assert_eq!(operation["state"], "pending");
    assert_eq!(operation["dry_run"], false);
    assert!(operation["member_id"].as_str().unwrap().starts_with("mem_"));
    assert!(operation["actor"].as_str().unwrap().starts_with("key_"));
    assert!(!answer.text.contains("bye"), "{}", answer.text);
    assert_eq!(writes(&app), 0);

    let ended = json!({"id": "sub_1", "object": "subscription", "created": 1_760_000_100, "customer": "cus_1",
        "status": "canceled", "ended_at": 1_768_473_000, "items": {"data": []}});
    app.db.stripe.answer_next(&ended);
    app.db.stripe.put(&ended);
    app.db.drain(&Registry::of(memberd_jobs::FAMILIES)).await;
    let path = format!("/v1/operations/{}", operation["id"].as_str().unwrap());
    let done = app.get(&key, &path).await.json();
    assert_eq!(
        (done["state"].as_str(), done["sends"].as_i64()),
        (Some("succeeded"), Some(1))
    );
    assert_eq!(done["answer"]["status"], "canceled");
    assert_eq!(done["request"]["method"], "DELETE");
    let reader = app.key("default", &[Scope::InvoicesRead]).await;
    let shown = app.get(&reader, "/v1/subscriptions/sub_1").await.json();
    assert_eq!(shown["status"], "canceled");

    for (query, found) in [
        ("", 1),
        ("?state=succeeded", 1),
        ("?state=unknown", 0),
        ("?object_id=sub_1", 1),
    ] {
        let list = app
            .get(&key, &format!("/v1/operations{query}"))
            .await
            .json();
        assert_eq!(list["data"].as_array().unwrap().len(), found, "{query}");
    }
    let other = app.key("other", &Scope::ALL).await;
    assert_eq!(app.get(&other, &path).await.status, 404);
}

#[tokio::test]
async fn the_same_key_gives_the_same_answer_and_one_operation() {
    let (app, key) = app().await;
    let first = keyed(&app, &key, CANCEL, "k-1", &json!({})).await;
    assert_eq!(first.status, 202, "{}", first.text);
    assert!(!first.headers.contains_key("idempotency-replayed"));
    // What is left out is the default, so this asks for the same.
    for body in [json!({}), json!({"at_period_end": true})] {
        let again = keyed(&app, &key, CANCEL, "k-1", &body).await;
        assert_eq!((again.status, &again.text), (first.status, &first.text));
        assert_eq!(again.headers["idempotency-replayed"], "true");
        assert_eq!(again.headers["content-type"], "application/json");
    }
    for (path, body) in [
        (CANCEL, json!({"at_period_end": false})),
        (PAUSE, json!({})),
    ] {
        let reused = keyed(&app, &key, path, "k-1", &body).await;
        assert_eq!(
            (reused.status.as_u16(), reused.code()),
            (422, "idempotency_key_reused".to_owned())
        );
    }
    assert_eq!(app.db.count("stripe_operations").await, 1);
    let later = keyed(&app, &key, CANCEL, "k-2", &json!({})).await.json();
    assert_ne!(later["id"], first.json()["id"]);
    app.clock.advance(Duration::from_hours(24));
    let anew = keyed(&app, &key, CANCEL, "k-1", &json!({})).await;
    assert!(!anew.headers.contains_key("idempotency-replayed"));
    assert_eq!(app.db.count("stripe_operations").await, 3);
}

#[tokio::test]
async fn a_key_whose_first_request_is_under_way_waits_and_a_refused_one_is_free() {
    let (app, key) = app().await;
    let refused = keyed(&app, &key, RESUME, "k", &json!({})).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert_eq!(keyed(&app, &key, PAUSE, "k", &json!({})).await.status, 202);

    let asked = r#"{"order":"resume_subscription","id":"sub_1"}"#;
    let env = &app.state.env;
    let claimed = idempotency::claim(env, "default", "busy", asked)
        .await
        .unwrap();
    assert!(matches!(claimed, idempotency::Claimed::First(_)));
    let waits = keyed(&app, &key, RESUME, "busy", &json!({})).await;
    assert_eq!(
        (waits.status.as_u16(), waits.code()),
        (409, "idempotency_in_progress".to_owned())
    );
    let long = "x".repeat(256);
    for bad in ["a b", &long] {
        let answer = keyed(&app, &key, PAUSE, bad, &json!({})).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (400, "invalid_request".to_owned())
        );
    }
}

#[tokio::test]
async fn a_dry_run_answers_the_same_and_does_nothing() {
    let (app, key) = app().await;
    let dry = keyed(
        &app,
        &key,
        &format!("{PAUSE}?dry_run=true"),
        "k",
        &json!({}),
    )
    .await;
    assert_eq!(dry.status, 202, "{}", dry.text);
    let dry = dry.json();
    assert_eq!(
        (&dry["dry_run"], &dry["kind"]),
        (&json!(true), &json!("subscription.pause"))
    );
    app.db.drain(&Registry::of(memberd_jobs::FAMILIES)).await;
    assert_eq!(
        (writes(&app), app.db.count("stripe_operations").await),
        (0, 0)
    );
    // Nor does it use up the key.
    let real = keyed(&app, &key, PAUSE, "k", &json!({})).await.json();
    assert_eq!(real["dry_run"], false);
    for field in ["kind", "state", "object_id", "member_id"] {
        assert_eq!(real[field], dry[field], "{field}");
    }
    let refused = app
        .act(&key, "/v1/subscriptions/sub_9/pause?dry_run=true")
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (404, "not_found".to_owned())
    );
}

#[tokio::test]
async fn orders_that_cannot_be_carried_out_are_refused_with_the_field() {
    let (app, key) = app().await;
    for (path, body, status, pointer) in [
        (
            PAUSE,
            json!({"resumes_at": "2020-01-01T00:00:00Z"}),
            422,
            "#/resumes_at",
        ),
        (PAUSE, json!({"behavior": "viod"}), 400, "#/behavior"),
        (CANCEL, json!({"feedback": "bored"}), 400, "#/feedback"),
        (CANCEL, json!({"at_periodend": true}), 400, "#/at_periodend"),
        (
            CANCEL,
            json!({"comment": "x".repeat(501)}),
            400,
            "#/comment",
        ),
    ] {
        let answer = app.post(&key, path, &body).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer);
    }
    assert_eq!(app.act(&key, RESUME).await.status, 422);
    let other = app.key("other", &Scope::ALL).await;
    assert_eq!(
        app.act(&other, CANCEL).await.status,
        422,
        "it has no Stripe"
    );
    assert_eq!(app.db.count("stripe_operations").await, 0);
}
