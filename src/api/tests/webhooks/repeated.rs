//! A repeated request, and the secret that is not kept with its answer.

use std::time::Duration;

use memberd_jobs::kernel::db::Sql;
use serde_json::{Value, json};

use super::{ENDPOINTS, app, hook, once, path};

#[tokio::test]
async fn a_repeated_request_gives_the_same_endpoint_and_the_secret_is_not_kept_with_the_answer() {
    let (app, key) = app().await;
    let first = once(&app, &key, ENDPOINTS, "k-1", &hook()).await;
    assert_eq!(first.status, 201, "{}", first.text);
    let again = once(&app, &key, ENDPOINTS, "k-1", &hook()).await;
    assert_eq!((again.status, again.json()), (first.status, first.json()));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(app.db.count("webhook_endpoints").await, 1);
    let reused = once(
        &app,
        &key,
        ENDPOINTS,
        "k-1",
        &json!({"url": "https://other.example/"}),
    )
    .await;
    assert_eq!(reused.code(), "idempotency_key_reused");

    let rotate = format!("{}/rotate-secret", path(&first.json()));
    let rotated = once(&app, &key, &rotate, "k-2", &json!({"overlap_seconds": 60})).await;
    assert_eq!(rotated.status, 201, "{}", rotated.text);
    assert_ne!(rotated.json()["secret"], first.json()["secret"]);
    assert_eq!(
        once(&app, &key, &rotate, "k-2", &json!({"overlap_seconds": 60}))
            .await
            .json(),
        rotated.json()
    );
    assert_eq!(app.db.count("webhook_secrets").await, 2);
    let test = format!("{}/test", path(&first.json()));
    let tested = once(&app, &key, &test, "k-3", &json!({})).await;
    assert_eq!(tested.status, 202, "{}", tested.text);
    assert_eq!(
        once(&app, &key, &test, "k-3", &json!({})).await.text,
        tested.text
    );
    assert_eq!(app.db.count("webhook_deliveries").await, 1);

    let kept: Vec<(Option<String>,)> = app
        .db
        .rows(Sql::both("SELECT body FROM idempotency_keys"), &[])
        .await;
    assert_eq!(kept.len(), 3);
    for (body,) in kept {
        assert!(!body.unwrap().contains("whsec_"));
    }
    // Once the first secret has ended, nobody hears it again.
    app.clock.advance(Duration::from_mins(1));
    let late = once(&app, &key, ENDPOINTS, "k-1", &hook()).await.json();
    assert_eq!(
        (&late["id"], &late["secret"]),
        (&first.json()["id"], &Value::Null)
    );
}
