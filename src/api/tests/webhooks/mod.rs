//! Webhook endpoints and deliveries over HTTP.

mod repeated;

use std::time::Duration;

use axum::{body::Body, http::Method};
use memberd_jobs::{
    FAMILIES,
    access::Scope,
    kernel::{
        Registry,
        events::{Event, emit},
    },
    testing::status,
};
use serde_json::{Value, json};

use super::support::{Answered, App, request};

const ENDPOINTS: &str = "/v1/webhook-endpoints";
const DELIVERIES: &str = "/v1/webhook-deliveries";

async fn app() -> (App, String) {
    let app = App::new().await;
    let key = app.key("default", &[Scope::WebhooksWrite]).await;
    (app, key)
}

async fn make(app: &App, key: &str, body: &Value) -> Value {
    let answer = app.post(key, ENDPOINTS, body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()
}

fn hook() -> Value {
    json!({ "url": "https://receiver.example/hook" })
}

fn path(of: &Value) -> String {
    format!("{ENDPOINTS}/{}", of["id"].as_str().unwrap())
}

async fn once(app: &App, key: &str, path: &str, once: &str, body: &Value) -> Answered {
    let request = request(Method::POST, path, key)
        .header("content-type", "application/json")
        .header("idempotency-key", once);
    app.send(request.body(Body::from(body.to_string())).unwrap())
        .await
}

async fn tell(app: &App, organization: &str) {
    let event = Event {
        kind: "audience.access_granted",
        organization_id: organization.to_owned(),
        member_id: None,
        data: json!({}),
    };
    let env = &app.state.env;
    let mut tx = env.db.begin().await.unwrap();
    emit(&mut tx, env, &event).await.unwrap();
    tx.commit().await.unwrap();
}

async fn drain(app: &App) {
    app.db.drain(&Registry::of(FAMILIES)).await;
}

async fn deliveries(app: &App, key: &str, query: &str) -> Vec<Value> {
    let list = app.get(key, &format!("{DELIVERIES}{query}")).await;
    assert_eq!(list.status, 200, "{}", list.text);
    list.json()["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn an_endpoint_is_made_listed_changed_and_deleted_and_its_secret_shown_once() {
    let (app, key) = app().await;
    let made = make(&app, &key, &json!({"url": "https://receiver.example/hook", "description": "ours",
        "event_types": ["audience.member_joined", "audience.member_joined", "audience.member_churned"]})).await;
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_"), "{made}");
    assert_eq!(
        made["event_types"],
        json!(["audience.member_churned", "audience.member_joined"])
    );
    assert_eq!(
        (&made["enabled"], &made["disabled_at"]),
        (&json!(true), &Value::Null)
    );
    let all = make(&app, &key, &hook()).await;
    assert_eq!(all["event_types"], json!(["*"]));

    let list = app.get(&key, &format!("{ENDPOINTS}?limit=1")).await;
    assert_eq!(list.json()["data"][0]["id"], all["id"]);
    let next = list.json()["next_cursor"].as_str().unwrap().to_owned();
    let rest = app.get(&key, &format!("{ENDPOINTS}?cursor={next}")).await;
    assert_eq!(rest.json()["data"][0]["id"], made["id"]);
    let shown = app.get(&key, &path(&made)).await;
    for answer in [&list, &rest, &shown] {
        assert!(
            !answer.text.contains("secret") && !answer.text.contains("salt"),
            "{}",
            answer.text
        );
    }
    let edit = json!({"url": "https://other.example/", "description": null, "event_types": [], "enabled": false});
    let edited = app
        .write(Method::PATCH, &key, &path(&made), &edit)
        .await
        .json();
    assert_eq!(edited["url"], "https://other.example/");
    assert_eq!(
        (&edited["description"], &edited["event_types"]),
        (&Value::Null, &json!(["*"]))
    );
    assert_eq!(
        (&edited["enabled"], &edited["disabled_reason"]),
        (&json!(false), &json!("by_hand"))
    );
    let kept = app
        .write(Method::PATCH, &key, &path(&made), &json!({"enabled": true}))
        .await
        .json();
    assert_eq!(
        (&kept["url"], &kept["disabled_reason"]),
        (&edited["url"], &Value::Null)
    );

    assert_eq!(app.delete(&key, &path(&made)).await.status, 204);
    for (method, rest) in [
        (Method::GET, ""),
        (Method::DELETE, ""),
        (Method::POST, "/test"),
        (Method::POST, "/rotate-secret"),
    ] {
        let request = request(method, &format!("{}{rest}", path(&made)), &key);
        let answer = app.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (404, "not_found".to_owned()),
            "{rest}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_an_endpoint_is_refused_with_the_field() {
    let (app, key) = app().await;
    for (body, status, code, pointer) in [
        (
            json!({"url": "https://refused.example/"}),
            422,
            "url_not_allowed",
            "#/url",
        ),
        (json!({"url": ""}), 400, "invalid_request", "#/url"),
        (
            json!({"url": "https://a/", "event_types": ["audience.member_joind"]}),
            400,
            "invalid_request",
            "#/event_types/0",
        ),
        (
            json!({"url": "https://a/", "event_types": ["a b"]}),
            400,
            "invalid_request",
            "#/event_types/0",
        ),
        (
            json!({"url": "https://a/", "types": []}),
            400,
            "unknown_field",
            "#/types",
        ),
    ] {
        let answer = app.post(&key, ENDPOINTS, &body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (status, code),
            "{body}"
        );
        assert_eq!(
            answer.json()["errors"][0]["pointer"],
            pointer,
            "{}",
            answer.text
        );
    }
    let made = make(&app, &key, &hook()).await;
    let refused = app
        .write(
            Method::PATCH,
            &key,
            &path(&made),
            &json!({"url": "https://refused.example/"}),
        )
        .await;
    assert_eq!(refused.code(), "url_not_allowed");
    app.db.receivers.set_key(None);
    let refused = app.post(&key, ENDPOINTS, &hook()).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (409, "webhooks_disabled".to_owned())
    );
}

#[tokio::test]
async fn deliveries_are_shown_filtered_and_sent_again() {
    let (app, key) = app().await;
    let made = make(&app, &key, &hook()).await;
    app.db.receivers.answer_next(status(500));
    tell(&app, "default").await;
    drain(&app).await;
    let [failing] = deliveries(&app, &key, "").await.try_into().unwrap();
    assert_eq!(
        (&failing["state"], &failing["attempts"]),
        (&json!("pending"), &json!(1))
    );
    assert_eq!(failing["last_attempt"]["status_code"], 500);
    assert_eq!(failing["last_attempt"]["milliseconds"], 7);
    assert!(failing["next_attempt_at"].is_string(), "{failing}");
    assert_eq!(
        app.act(&key, &format!("{}/test", path(&made))).await.status,
        202
    );
    drain(&app).await;
    let id = made["id"].as_str().unwrap();
    for (query, found) in [
        ("", 2),
        (&*format!("?endpoint_id={id}"), 2),
        ("?endpoint_id=whe_none", 0),
        ("?state=delivered", 1),
        ("?state=pending&type=audience.access_granted", 1),
        ("?state=failed", 0),
        ("?type=webhook_endpoint.test", 1),
        ("?type=*&limit=1", 1),
    ] {
        assert_eq!(deliveries(&app, &key, query).await.len(), found, "{query}");
    }
    let wrong = app.get(&key, &format!("{DELIVERIES}?state=sent")).await;
    assert_eq!(
        (wrong.status.as_u16(), wrong.code()),
        (400, "invalid_filter".to_owned())
    );

    app.db.receivers.take_sent();
    let one = format!("{DELIVERIES}/{}", failing["id"].as_str().unwrap());
    let again = app.act(&key, &format!("{one}/resend")).await;
    assert_eq!(
        (again.status.as_u16(), &again.json()["attempts"]),
        (202, &json!(0)),
        "{}",
        again.text
    );
    drain(&app).await;
    assert_eq!(app.get(&key, &one).await.json()["state"], "delivered");
    assert_eq!(
        app.db.receivers.take_sent()[0].id,
        failing["event_id"].as_str().unwrap()
    );
    app.write(
        Method::PATCH,
        &key,
        &path(&made),
        &json!({"enabled": false}),
    )
    .await;
    let refused = app.act(&key, &format!("{one}/resend")).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (422, "invalid_request".to_owned())
    );
}

#[tokio::test]
async fn a_replay_is_a_job() {
    let (app, key) = app().await;
    tell(&app, "default").await;
    let made = make(&app, &key, &hook()).await;
    let replay = format!("{}/replay", path(&made));
    app.clock.advance(Duration::from_secs(1));
    let backwards = app
        .post(&key, &replay, &json!({"since": "2999-01-01T00:00:00Z"}))
        .await;
    assert_eq!(
        (
            backwards.status.as_u16(),
            &backwards.json()["errors"][0]["pointer"]
        ),
        (422, &json!("#/since"))
    );
    let answer = once(
        &app,
        &key,
        &replay,
        "k",
        &json!({"since": "2026-01-01T00:00:00Z"}),
    )
    .await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert!(
        answer.json()["job_id"]
            .as_str()
            .unwrap()
            .starts_with("job_")
    );
    let again = once(
        &app,
        &key,
        &replay,
        "k",
        &json!({"since": "2026-01-01T00:00:00Z"}),
    )
    .await;
    assert_eq!(again.text, answer.text);
    drain(&app).await;
    assert_eq!(app.db.receivers.take_sent().len(), 1);
}

#[tokio::test]
async fn another_organization_sees_and_touches_nothing() {
    let (app, key) = app().await;
    let made = make(&app, &key, &hook()).await;
    tell(&app, "default").await;
    tell(&app, "other").await;
    drain(&app).await;
    assert_eq!(app.db.receivers.take_sent().len(), 1);
    let [delivery] = deliveries(&app, &key, "").await.try_into().unwrap();
    let delivery = format!("{DELIVERIES}/{}", delivery["id"].as_str().unwrap());
    let stranger = app.key("other", &Scope::ALL).await;
    assert_eq!(deliveries(&app, &stranger, "").await, Vec::<Value>::new());
    let list = app.get(&stranger, ENDPOINTS).await.json();
    assert_eq!(list["data"], json!([]));
    let since = json!({"since": "2026-01-01T00:00:00Z"});
    for (method, path, body) in [
        (Method::GET, path(&made), Value::Null),
        (Method::PATCH, path(&made), json!({"enabled": false})),
        (Method::DELETE, path(&made), Value::Null),
        (Method::POST, format!("{}/test", path(&made)), Value::Null),
        (
            Method::POST,
            format!("{}/rotate-secret", path(&made)),
            json!({}),
        ),
        (Method::POST, format!("{}/replay", path(&made)), since),
        (Method::GET, delivery.clone(), Value::Null),
        (Method::POST, format!("{delivery}/resend"), Value::Null),
    ] {
        let answer = app.write(method.clone(), &stranger, &path, &body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (404, "not_found".to_owned()),
            "{method} {path}"
        );
    }
    assert_eq!(app.get(&key, &path(&made)).await.json()["enabled"], true);
}
