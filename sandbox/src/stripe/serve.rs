//! From the wire to [`Call`] and from [`Reply`] back, with the faults between.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{ConnectInfo, OriginalUri, State as Extract},
    response::Response,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{Begun, Call, Reply, error::ApiError};
use crate::{
    account::API_VERSION,
    clock::http_date,
    faults::{Fault, Mode, Target},
    net::Switch,
    state::Shared,
};

/// So much of an answer gets out before the mode `drop` cuts it: part of its head.
const DROP_AFTER_BYTES: u64 = 40;

/// Handles everything under `/v1/`.
pub(crate) async fn handle(
    Extract(shared): Extract<Arc<Shared>>,
    ConnectInfo(switch): ConnectInfo<Switch>,
    method: Method,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (call, fault) = {
        let mut state = shared.lock();
        let key = text(&headers, "idempotency-key").filter(|_| method == Method::POST);
        let call = Call {
            method: method.to_string(),
            path: uri.path().to_owned(),
            query: uri.query().unwrap_or_default().to_owned(),
            body,
            secret: secret(&headers),
            on_behalf: text(&headers, "stripe-account"),
            key,
            request_id: state.request_ids.short("req_"),
        };
        let fault = state.faults.hit(Target::Stripe, &call.method, &call.path);
        (call, fault)
    };
    let reply = match &fault {
        None => work(&shared, &call),
        Some(fault) => faulty(&shared, &call, fault, &switch).await,
    };
    let mut state = shared.lock();
    state.note(&call, &reply);
    let now = state.clock.now();
    drop(state);
    respond(&call, &reply, now)
}

/// Begins and finishes a request in one go.
fn work(shared: &Shared, call: &Call) -> Reply {
    let mut state = shared.lock();
    match state.begin(call) {
        Begun::Done(reply) => reply,
        Begun::Go(account) => state.finish(call, &account),
    }
}

/// The answer under a fault. Where none may arrive, the connection is cut; what is answered then
/// only goes into the log (status 0: nothing happened).
async fn faulty(shared: &Shared, call: &Call, fault: &Fault, switch: &Switch) -> Reply {
    let delay = Duration::from_millis(fault.delay_ms);
    let silence = Reply {
        status: 0,
        body: Arc::from(""),
        replayed: false,
    };
    match fault.mode {
        Mode::Refuse => {
            switch.cut_after(0);
            silence
        }
        Mode::Timeout => {
            tokio::time::sleep(delay).await;
            switch.cut_after(0);
            silence
        }
        Mode::Status => {
            let reply = Reply::error(&ApiError::injected(fault.status), &call.request_id);
            if fault.cached {
                shared.lock().keep(call, &reply);
            }
            reply
        }
        Mode::TimeoutAfterSuccess => {
            let reply = work(shared, call);
            tokio::time::sleep(delay).await;
            switch.cut_after(0);
            reply
        }
        Mode::Drop => {
            let reply = work(shared, call);
            switch.cut_after(DROP_AFTER_BYTES);
            reply
        }
        Mode::Slow => {
            let begun = shared.lock().begin(call);
            match begun {
                Begun::Done(reply) => reply,
                Begun::Go(account) => {
                    tokio::time::sleep(delay).await;
                    shared.lock().finish(call, &account)
                }
            }
        }
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// The key of `Authorization: Bearer`.
fn secret(headers: &HeaderMap) -> Option<String> {
    text(headers, "authorization")?
        .strip_prefix("Bearer ")
        .map(|key| key.trim().to_owned())
}

fn respond(call: &Call, reply: &Reply, now: i64) -> Response {
    let mut response = Response::new(Body::from(Bytes::from(reply.body.as_bytes().to_vec())));
    // Status 0 belongs to a connection that is already cut.
    *response.status_mut() = http::StatusCode::from_u16(reply.status).unwrap_or_default();
    let headers = response.headers_mut();
    let mut put = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    put("content-type", "application/json");
    put("date", &http_date(now));
    put("request-id", &call.request_id);
    put("stripe-version", API_VERSION);
    if let Some(key) = &call.key {
        put("idempotency-key", key);
    }
    if reply.replayed {
        put("idempotent-replayed", "true");
    }
    if reply.status == 429 {
        put("retry-after", "1");
        put("stripe-rate-limited-reason", "global-rate");
    }
    if matches!(reply.status, 409 | 429 | 500..) && !reply.replayed {
        put("stripe-should-retry", "true");
    }
    response
}
