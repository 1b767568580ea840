//! What is told about requests, and what never is.

use metrics_exporter_prometheus::PrometheusBuilder;

use super::{Answer, Fake, KEY, ObjectType, Stripe as _, client, operation};
use crate::testing::Log;

#[tokio::test]
async fn no_key_no_body_and_no_address_is_told() {
    let log = Log::default();
    let _hears = log.hear();
    let refusal = format!(
        r#"{{"error":{{"code":"zoe@example.com","message":"key {KEY} of zoe@example.com is wrong"}}}}"#
    );
    let fake = Fake::start([
        Answer::json(r#"{"id":"cus_1","email":"zoe@example.com"}"#).header("request-id", "req_1"),
        Answer::status(401, &refusal),
        Answer::status(500, &refusal),
    ])
    .await;
    let client = client(&fake.base);
    let read = client.retrieve("default", ObjectType::Customer, "cus_1");
    read.await.unwrap();
    let mut told = format!("{client:?}");
    for _ in 0..2 {
        let error = client.perform("default", &operation(false)).await;
        let error = error.unwrap_err();
        told.extend([error.to_string(), format!("{error:?}")]);
    }
    let lines = log.text();
    assert!(lines.contains("req_1"), "{lines}");
    told.push_str(&lines);
    for secret in [KEY, "never_to_be_seen", "zoe", "example.com"] {
        let place = told.find(secret);
        assert_eq!(place.map(|at| &told[at.saturating_sub(200)..at + 20]), None);
    }
}

#[tokio::test]
async fn requests_are_counted_by_template_and_outcome() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let missing = r#"{"error":{"code":"resource_missing"}}"#;
    let fake = Fake::start([
        Answer::json("{}"),
        Answer::status(404, missing),
        Answer::status(500, ""),
        Answer::json("{}"),
        Answer::status(400, missing),
        Answer::status(429, ""),
    ])
    .await;
    let client = client(&fake.base);
    for _ in 0..3 {
        let read = client.retrieve("default", ObjectType::Customer, "cus_1");
        let _answer = read.await;
    }
    for _ in 0..4 {
        let _answer = client.perform("default", &operation(false)).await;
    }
    let text = recorder.handle().render();
    for (endpoint, outcome, count) in [
        ("GET /v1/customers/{id}", "ok", 1),
        ("GET /v1/customers/{id}", "missing", 1),
        ("GET /v1/customers/{id}", "unavailable", 1),
        ("POST /v1/subscriptions/{id}", "ok", 1),
        ("POST /v1/subscriptions/{id}", "refused", 1),
        ("POST /v1/subscriptions/{id}", "rate_limited", 2),
    ] {
        let line = format!(
            "memberd_stripe_requests_total{{endpoint=\"{endpoint}\",outcome=\"{outcome}\"}} {count}"
        );
        assert!(text.contains(&line), "{line}\n{text}");
    }
    // The last write was stopped by the pause and never sent.
    assert!(text.contains("memberd_stripe_request_duration_seconds_count{endpoint=\"POST /v1/subscriptions/{id}\"} 3"), "{text}");
}
