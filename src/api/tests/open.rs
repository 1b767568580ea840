//! What needs no key.

use std::time::Duration;

use super::support::App;

#[tokio::test]
async fn health_metrics_and_the_description_are_open() {
    let app = App::new().await;
    assert_eq!(app.get("", "/healthz").await.json()["status"], "ok");
    let metrics = app.get("", "/metrics").await;
    let kind = metrics.headers["content-type"].to_str().unwrap();
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    let document = app.get("", "/openapi.json").await.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(document["info"]["license"]["name"], "MIT OR Apache-2.0");
}

#[tokio::test]
async fn a_process_is_ready_until_it_drains() {
    let app = App::new().await;
    let ready = app.get("", "/readyz").await;
    assert_eq!(ready.status, 200, "{}", ready.text);
    assert_eq!(ready.json()["checks"][0]["name"], "database");
    app.state.readiness.drain();
    let answer = app.get("", "/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.code(), "draining");
    assert_eq!(app.get("", "/healthz").await.status, 200);
}

#[tokio::test]
async fn silent_workers_make_a_process_unready() {
    let app = App::new().await;
    app.state.readiness.beat(app.state.env.now());
    app.clock.advance(Duration::from_secs(50));
    let ready = app.get("", "/readyz").await;
    assert_eq!(ready.json()["checks"][1]["age_seconds"], 50.0);
    app.clock.advance(Duration::from_secs(11));
    let answer = app.get("", "/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["errors"][0]["pointer"], "#/checks/workers");
    app.state.readiness.beat(app.state.env.now());
    assert_eq!(app.get("", "/readyz").await.status, 200);
}

#[tokio::test]
async fn a_webhook_that_could_not_be_stored_makes_a_process_unready() {
    let app = App::new().await;
    app.state.readiness.stored(false, app.state.env.now());
    let answer = app.get("", "/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["errors"][0]["pointer"], "#/checks/webhooks");
    app.state.readiness.stored(true, app.state.env.now());
    assert_eq!(app.get("", "/readyz").await.status, 200);
}

#[tokio::test]
async fn a_database_that_is_gone_makes_a_process_unready() {
    let app = App::new().await;
    assert_eq!(app.get("", "/readyz").await.status, 200);
    app.state.env.db.close().await;
    // The last answer is believed for a second, so that nobody can wear out the disk by asking.
    assert_eq!(app.get("", "/readyz").await.status, 200);
    app.clock.advance(Duration::from_secs(1));
    let answer = app.get("", "/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["errors"][0]["pointer"], "#/checks/database");
}
