//! A receiver of webhooks: whatever is posted below `/hooks/{name}` is kept for people and tests to look at.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use axum::{
    body::Bytes,
    extract::{Path, State as Extract},
};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{Answer, input::answer};
use crate::{clock::rfc3339, state::Shared};

/// Webhooks kept for each name; older ones are forgotten.
const KEPT_MAX: usize = 1_000;
/// Names; a further one is refused.
const NAMES_MAX: usize = 100;

/// What was received, by name, the newest last.
#[derive(Debug, Default)]
pub(crate) struct Received(BTreeMap<String, VecDeque<Value>>);

/// `POST /hooks/{name}`
pub(super) async fn receive(
    Extract(shared): Extract<Arc<Shared>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let mut state = shared.lock();
    let received = json!({
        "received_at": rfc3339(state.clock.now()),
        "webhook_id": header("webhook-id"),
        "webhook_timestamp": header("webhook-timestamp"),
        "webhook_signature": header("webhook-signature"),
        // As text, because the signature is of these bytes.
        "body": String::from_utf8_lossy(&body),
    });
    let names = &mut state.received.0;
    if names.len() >= NAMES_MAX && !names.contains_key(&name) {
        return StatusCode::INSUFFICIENT_STORAGE;
    }
    let kept = names.entry(name).or_default();
    if kept.len() == KEPT_MAX {
        kept.pop_front();
    }
    kept.push_back(received);
    StatusCode::NO_CONTENT
}

/// `GET /hooks/{name}`
pub(super) async fn show(
    Extract(shared): Extract<Arc<Shared>>,
    Path(name): Path<String>,
) -> Answer {
    let state = shared.lock();
    let kept = state.received.0.get(&name);
    let data: Vec<&Value> = kept.into_iter().flatten().collect();
    Ok(answer(StatusCode::OK, &json!({ "data": data })))
}
