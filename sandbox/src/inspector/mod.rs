//! The inspector: reading and moving the outside world over HTTP.

mod actions;
mod checkout;
mod hooks;
mod input;
mod views;

pub(crate) use hooks::Received;

use std::{fmt::Write, sync::Arc};

use axum::{
    Router,
    extract::State as Extract,
    response::Response,
    routing::{any, get, post},
};
use http::{Method, StatusCode, Uri};
use serde_json::json;

use self::input::{Refusal, answer};
use crate::{
    account::Account,
    state::{Shared, State},
    stripe::{routes::ROUTES, serve},
    world,
};

/// What an inspector route answers.
type Answer = Result<Response, Refusal>;

/// Routes and what they are for, for the overview.
const GUIDE: &[(&str, &str)] = &[
    ("GET /", "this page"),
    ("GET /healthz", "the process answers"),
    (
        "GET /stripe/log",
        "the last API requests and counts by route and status (limit)",
    ),
    (
        "GET /stripe/truth",
        "counts by account, or the objects of a type (account, type, limit, after)",
    ),
    (
        "GET /stripe/deliveries",
        "counts and answer times of webhooks; DELETE starts counting anew",
    ),
    (
        "POST /stripe/world",
        "fills an account (seed, members, account)",
    ),
    (
        "POST /stripe/scenario",
        "plays a scenario (name, member, events, rate_per_second, seed, account)",
    ),
    (
        "POST /stripe/chaos",
        "the same with duplicate, shuffle, delay_ms, drop; without name: from now on",
    ),
    (
        "POST /stripe/replay",
        "sends an event again (event, times, age_seconds, account)",
    ),
    (
        "POST /stripe/checkout",
        "pays on a checkout page (session, card, email, name); its page: GET /checkout/{id}",
    ),
    (
        "GET /stripe/webhook_endpoints",
        "where events go; POST adds (url, secret, account, events)",
    ),
    (
        "DELETE /stripe/webhook_endpoints/{id}",
        "stops sending there",
    ),
    (
        "GET /stripe/limits",
        "rate limits; POST changes (read_per_second, write_per_second, account)",
    ),
    (
        "GET /hooks/{name}",
        "webhooks that were posted there, oldest first, with their headers",
    ),
    (
        "GET /clock",
        "the virtual time; POST advances (advance_seconds)",
    ),
    (
        "GET /faults",
        "what goes wrong; POST adds (target, mode, …); DELETE clears all or ?id=",
    ),
];

/// All routes of the sandbox.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/{*path}", any(serve::handle))
        .route("/", get(overview))
        .route("/healthz", get(healthz))
        .route("/stripe/log", get(views::log))
        .route("/stripe/truth", get(views::truth))
        .route(
            "/stripe/deliveries",
            get(views::deliveries).delete(views::reset_deliveries),
        )
        .route("/stripe/world", post(actions::world))
        .route("/stripe/scenario", post(actions::scenario))
        .route("/stripe/chaos", post(actions::chaos))
        .route("/stripe/replay", post(actions::replay))
        .route("/stripe/checkout", post(checkout::visit))
        .route(
            "/checkout/{id}",
            get(checkout::page).post(checkout::pressed),
        )
        .route(
            "/stripe/webhook_endpoints",
            get(views::endpoints).post(actions::add_endpoint),
        )
        .route(
            "/stripe/webhook_endpoints/{id}",
            axum::routing::delete(actions::remove_endpoint),
        )
        .route(
            "/stripe/limits",
            get(views::limits).post(actions::set_limits),
        )
        .route("/hooks/{name}", get(hooks::show).post(hooks::receive))
        .route("/clock", get(views::clock).post(actions::advance))
        .route(
            "/faults",
            get(views::faults)
                .post(actions::add_fault)
                .delete(actions::clear_faults),
        )
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .with_state(shared)
}

async fn unknown(method: Method, uri: Uri) -> Refusal {
    Refusal::not_found(format!(
        "no route {method} {}: GET / lists them",
        uri.path()
    ))
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let message = format!(
        "{} does not take {method}: GET / lists what it takes",
        uri.path()
    );
    answer(
        StatusCode::METHOD_NOT_ALLOWED,
        &json!({"error": {"field": null, "message": message}}),
    )
}

async fn healthz() -> Response {
    answer(StatusCode::OK, &json!({"status": "ok"}))
}

/// The overview in plain text.
async fn overview(Extract(shared): Extract<Arc<Shared>>) -> String {
    let state = shared.lock();
    let mut text = "memberd sandbox: the outside world in one process\n\n".to_owned();
    for account in state.accounts.values() {
        let counts = world::counts(account);
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "{}  {} customers, {} subscriptions, {} invoices, {} events, {} endpoints",
            account.id,
            counts["customer"],
            counts["subscription"],
            counts["invoice"],
            counts["event"],
            account.endpoints.len()
        );
    }
    let deliveries = &state.hooks.stats;
    let _ = writeln!(
        text,
        "API requests {}, deliveries {} done, {} pending\n\ninspector",
        state.log.total(),
        deliveries.delivered,
        deliveries.pending()
    );
    for (route, about) in GUIDE {
        let _ = writeln!(text, "  {route:<40} {about}");
    }
    text.push_str("\nStripe\n");
    for route in ROUTES {
        let _ = writeln!(text, "  {:<7}{}", route.method, route.template);
    }
    text
}

/// The account that a request means, by name or the first one.
fn account_name(state: &State, wanted: Option<String>) -> Result<String, Refusal> {
    let id = wanted.unwrap_or_else(|| state.first_account.clone());
    if state.accounts.contains_key(&id) {
        return Ok(id);
    }
    let known: Vec<&str> = state.accounts.keys().map(String::as_str).collect();
    Err(Refusal::bad(
        "account",
        format!("no account `{id}`: known are {}", known.join(", ")),
    ))
}

/// The account itself.
fn account_mut(state: &mut State, wanted: Option<String>) -> Result<&mut Account, Refusal> {
    let id = account_name(state, wanted)?;
    let gone = || Refusal::bad("account", format!("no account `{id}`"));
    state.accounts.get_mut(&id).ok_or_else(gone)
}
