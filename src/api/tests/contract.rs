//! What is the same everywhere: problems, ids of requests, limits, cursors.

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    http::{Method, StatusCode},
    routing::get,
};
use serde_json::json;

use super::support::{App, request};
use crate::api::{ApiState, HttpLimits, router, router_with};

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let app = App::new().await;
    for path in ["/nowhere", "/v1", "/v1/nowhere", "/v1/jobs/"] {
        let answer = app.get("", path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.code(), "not_found", "{path}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    }
    let request = request(Method::PUT, "/v1/jobs", "");
    let answer = app.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.code(), "invalid_request");
    let allow = answer.headers["allow"].to_str().unwrap();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_told_apart() {
    let app = App::new().await;
    let key = app.admin().await;
    let send = async |kind: &str, body: String| {
        let request = request(Method::POST, "/v1/jobs", &key).header("content-type", kind);
        app.send(request.body(Body::from(body)).unwrap()).await
    };
    let json = "application/json";
    let answer = send("text/plain", "{}".to_owned()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (415, "invalid_request".to_owned())
    );
    for broken in ["", "{", "{\"kind\":}", "\u{feff}{}"] {
        let answer = send(json, broken.to_owned()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (400, "invalid_json".to_owned())
        );
    }
    let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
    assert_eq!(send(json, deep).await.code(), "invalid_json");
    let large = send(json, " ".repeat(300 * 1024)).await;
    assert_eq!(
        (large.status.as_u16(), large.code()),
        (413, "payload_too_large".to_owned())
    );
    for wrong in ["[]", "null", "{\"kind\":1}", "{\"kind\":\"a\\u0000b\"}"] {
        let answer = send(json, wrong.to_owned()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (400, "invalid_request".to_owned())
        );
    }
    let typo = send(json, "{\"kind\":\"test.nap\",\"arg\":{}}".to_owned()).await;
    assert_eq!(typo.code(), "unknown_field");
    assert!(typo.text.contains("did you mean `args`"), "{}", typo.text);
}

#[tokio::test]
async fn parameters_that_cannot_be_read_name_themselves() {
    let app = App::new().await;
    let key = app.admin().await;
    for (query, code, pointer) in [
        ("limit=0", "invalid_request", "?limit"),
        ("limit=101", "invalid_request", "?limit"),
        ("limit=x", "invalid_request", "?limit"),
        ("limit=1&limit=2", "invalid_request", "?limit"),
        ("state=done", "invalid_filter", "?state"),
        ("queue=emial", "invalid_filter", "?queue"),
        (
            "created_after=yesterday",
            "invalid_filter",
            "?created_after",
        ),
        ("knid=x", "unknown_field", "?knid"),
        ("cursor=00", "invalid_cursor", "?cursor"),
        ("kind=a%00b", "invalid_request", "?kind"),
    ] {
        let answer = app.get(&key, &format!("/v1/jobs?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert_eq!(answer.code(), code, "{query}");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{query}");
    }
    let near = app.get(&key, "/v1/jobs?queue=emial").await;
    assert!(near.text.contains("did you mean `email`"), "{}", near.text);
    for path in ["/v1/jobs/%ff", "/v1/jobs/a%00b"] {
        assert_eq!(app.get(&key, path).await.status, 400, "{path}");
    }
    assert_eq!(app.get(&key, "/v1/jobs?limit=5.0").await.status, 200);
}

#[tokio::test]
async fn a_request_has_one_id_everywhere() {
    let app = App::new().await;
    let send = async |id: &str| {
        let request = request(Method::GET, "/nowhere", "").header("x-request-id", id);
        let answer = app.send(request.body(Body::empty()).unwrap()).await;
        answer.code();
        answer.headers["x-request-id"].to_str().unwrap().to_owned()
    };
    let uuid = "0190163d-8694-739b-aea5-966c26f8ad91";
    assert_eq!(send(uuid).await, uuid);
    for bad in ["", "a b", "a\"b", &"x".repeat(65)] {
        let id = send(bad).await;
        assert!(id.starts_with("req_"), "{id}");
    }
}

fn slow_and_broken() -> Router<ApiState> {
    async fn panics() -> StatusCode {
        panic!("a secret in a panic")
    }
    Router::new()
        .route("/slow", get(std::future::pending::<StatusCode>))
        .route("/panic", get(panics))
}

#[tokio::test]
async fn a_panic_is_a_problem_that_tells_nothing() {
    let mut app = App::new().await;
    app.rebuild(router_with(app.state.clone(), slow_and_broken()));
    let answer = app.get("", "/panic").await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (500, "internal".to_owned())
    );
    assert!(!answer.text.contains("secret"), "{}", answer.text);
    assert_eq!(app.get("", "/healthz").await.status, 200);
}

#[tokio::test]
async fn a_slow_request_ends_as_overloaded() {
    let mut app = App::new().await;
    let mut state = app.state.clone();
    state.limits = HttpLimits {
        request_timeout: Duration::from_millis(20),
        ..HttpLimits::default()
    };
    app.rebuild(router_with(state, slow_and_broken()));
    let answer = app.get("", "/slow").await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (503, "overloaded".to_owned())
    );
    assert!(answer.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn the_body_limit_is_configuration() {
    let mut app = App::new().await;
    let key = app.admin().await;
    let mut state = app.state.clone();
    state.limits.body_bytes = 40;
    app.rebuild(router(state));
    let fits = app
        .post(&key, "/v1/jobs", &json!({"kind": "nothing"}))
        .await;
    assert_eq!(fits.status, 422, "{}", fits.text);
    let body = json!({"kind": "nothing", "args": {"a": "0123456789"}});
    assert_eq!(app.post(&key, "/v1/jobs", &body).await.status, 413);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn requests_are_counted_by_the_template_of_their_route() {
    let app = App::new().await;
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let key = app.admin().await;
    let text = metrics::with_local_recorder(&recorder, || {
        let runtime = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| {
            runtime.block_on(async {
                app.get(&key, "/v1/jobs/job_secret").await;
                app.get(&key, "/nowhere/secret").await;
            });
        });
        recorder.handle().render()
    });
    assert!(
        text.contains("route=\"/v1/jobs/{id}\",method=\"GET\",status=\"404\""),
        "{text}"
    );
    assert!(text.contains("route=\"unmatched\""), "{text}");
    assert!(!text.contains("secret"), "{text}");
    assert!(text.contains("memberd_http_in_flight 0"), "{text}");
}
