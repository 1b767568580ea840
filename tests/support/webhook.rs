//! Webhooks made by hand, for what the sandbox would never send.

use memberd_jobs::kernel::{Clock as _, SystemClock};
use memberd_sandbox::signature;
use serde_json::{Value, json};

use super::{Answer, Daemon};

/// The signing secret of the organization `default`.
pub(crate) const SECRET: &str = "whsec_test_default";
/// The signing secret of the organization `other`.
pub(crate) const OTHER_SECRET: &str = "whsec_test_other";

/// The machine's time in seconds since 1970, as signatures carry it.
pub(crate) fn seconds_now() -> i64 {
    SystemClock.now().seconds()
}

/// An event about an object. Nobody at Stripe knows of it.
pub(crate) fn event(id: &str, kind: &str, object: &Value) -> Value {
    json!({
        "id": id, "object": "event", "api_version": "2026-09-30.endive", "created": seconds_now(),
        "type": kind, "livemode": false, "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null},
        "data": {"object": object},
    })
}

/// An event about a customer.
pub(crate) fn customer_event(id: &str, customer: &str) -> Value {
    let object = json!({"id": customer, "object": "customer"});
    event(id, "customer.updated", &object)
}

/// Sends bytes with a signature header.
pub(crate) async fn send(
    daemon: &Daemon,
    path: &str,
    signature: &str,
    body: impl Into<reqwest::Body>,
) -> Answer {
    let request = daemon
        .http
        .post(daemon.url(path))
        .header("content-type", "application/json; charset=utf-8")
        .header(signature::HEADER, signature)
        .body(body);
    Answer::to(request).await.unwrap()
}

/// Signs with the secret of `default`, now.
pub(crate) fn sign(body: &[u8]) -> String {
    signature::header(SECRET, seconds_now(), body)
}

/// Sends an event to `default` as Stripe would.
pub(crate) async fn good(daemon: &Daemon, event: &Value) -> Answer {
    let body = event.to_string();
    send(daemon, "/webhooks/stripe", &sign(body.as_bytes()), body).await
}
