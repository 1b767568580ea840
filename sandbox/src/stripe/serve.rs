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
    state::{Shared, State},
};

/// So much of an answer gets out before the mode `drop` cuts it: part of its head.
const DROP_AFTER_BYTES: u64 = 40;

/// What a proxy says in Stripe's place.
const PAGE: &str =
    "<!doctype html><html><head><title>Please wait</title></head><body>Back soon.</body></html>";

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
    let done = match fault {
        None => work(&shared, &call),
        Some(fault) => faulty(&shared, &call, &fault, &switch).await,
    };
    respond(&call, &done)
}

/// An answer and the virtual second it was true at, which is its `Date`.
struct Done {
    reply: Reply,
    at: i64,
}

/// Begins and finishes a request in one go.
fn work(shared: &Shared, call: &Call) -> Done {
    let mut state = shared.lock();
    let reply = match state.begin(call) {
        Begun::Done(reply) => reply,
        Begun::Go(account) => state.finish(call, &account),
    };
    logged(&mut state, call, reply)
}

/// Logs an answer under the same lock as the work, so that a client that hangs up meanwhile
/// cannot make its request unseen.
fn logged(state: &mut State, call: &Call, reply: Reply) -> Done {
    state.note(call, &reply);
    let at = state.clock.now();
    Done { reply, at }
}

/// Logs that a request was swallowed (status 0: nothing happened).
fn swallowed(shared: &Shared, call: &Call) -> Done {
    let reply = Reply {
        status: 0,
        body: Arc::from(""),
        replay_of: None,
    };
    logged(&mut shared.lock(), call, reply)
}

/// The answer under a fault. Where none may arrive, the connection is cut under it.
async fn faulty(shared: &Arc<Shared>, call: &Call, fault: &Fault, switch: &Switch) -> Done {
    let delay = Duration::from_millis(fault.delay_ms);
    match fault.mode {
        Mode::Refuse => {
            switch.cut_after(0);
            swallowed(shared, call)
        }
        Mode::Timeout => {
            let done = swallowed(shared, call);
            shared.pause(delay).await;
            switch.cut_after(0);
            done
        }
        Mode::Status => {
            let reply = Reply::error(&ApiError::injected(fault.status), &call.request_id);
            let mut state = shared.lock();
            if fault.cached {
                state.keep(call, &reply);
            }
            logged(&mut state, call, reply)
        }
        Mode::Html => {
            let reply = Reply {
                status: fault.status,
                body: Arc::from(PAGE),
                replay_of: None,
            };
            logged(&mut shared.lock(), call, reply)
        }
        Mode::TimeoutAfterSuccess => {
            let done = work(shared, call);
            shared.pause(delay).await;
            switch.cut_after(0);
            done
        }
        Mode::Drop => {
            let done = work(shared, call);
            switch.cut_after(DROP_AFTER_BYTES);
            done
        }
        Mode::Slow => slow(shared, call, delay).await,
    }
}

/// Begins, waits and finishes, also when the client hangs up meanwhile.
async fn slow(shared: &Arc<Shared>, call: &Call, delay: Duration) -> Done {
    let account = {
        let mut state = shared.lock();
        match state.begin(call) {
            Begun::Done(reply) => return logged(&mut state, call, reply),
            Begun::Go(account) => account,
        }
    };
    let (own, late) = (Arc::clone(shared), call.clone());
    let work = shared.tasks.spawn(async move {
        own.pause(delay).await;
        let mut state = own.lock();
        let reply = state.finish(&late, &account);
        logged(&mut state, &late, reply)
    });
    match work.await {
        Ok(done) => done,
        Err(_) => swallowed(shared, call),
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

fn respond(call: &Call, done: &Done) -> Response {
    let reply = &done.reply;
    let mut response = Response::new(Body::from(Bytes::from(reply.body.as_bytes().to_vec())));
    // Status 0 belongs to a connection that is already cut.
    *response.status_mut() = http::StatusCode::from_u16(reply.status).unwrap_or_default();
    let headers = response.headers_mut();
    let mut put = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    let is_page = reply.body.starts_with('<');
    put(
        "content-type",
        if is_page {
            "text/html"
        } else {
            "application/json"
        },
    );
    put("date", &http_date(done.at));
    put("request-id", &call.request_id);
    put("stripe-version", API_VERSION);
    let replayed = reply.replay_of.is_some();
    if let Some(key) = &call.key {
        put("idempotency-key", key);
        let first = reply.replay_of.as_ref().unwrap_or(&call.request_id);
        put("original-request", first);
    }
    if replayed {
        put("idempotent-replayed", "true");
    }
    if reply.status == 429 {
        put("retry-after", "1");
        put("stripe-rate-limited-reason", "global-rate");
    }
    // A replayed error would only come again; of answers to requests that change nothing Stripe
    // says it only when it is true.
    if matches!(reply.status, 409 | 429 | 500..) && !replayed {
        put("stripe-should-retry", "true");
    } else if call.key.is_some() {
        put("stripe-should-retry", "false");
    }
    response
}
