//! Checkout pages: for people with a browser, and as a route for scripts.

use std::{fmt::Write, sync::Arc};

use axum::{
    body::Body,
    extract::{Path, State as Extract},
    response::Response,
};
use bytes::Bytes;
use http::{
    StatusCode,
    header::{CONTENT_TYPE, LOCATION},
};
use serde_json::{Value, json};

use super::{
    Answer,
    input::{Input, Refusal, answer},
};
use crate::{
    account::{Kind, text_of},
    form,
    state::{Shared, State},
    stripe::checkout::pay::{self, Outcome, Visitor},
};

/// What a visitor's card does.
const CARDS: [(&str, bool); 2] = [("fails", true), ("works", false)];
/// Currencies without a smaller unit than the one they are named by.
const WHOLE: [&str; 16] = [
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf",
    "xof", "xpf", "ugx",
];

/// `POST /stripe/checkout {session, card?, email?, name?}`: does what a person does on the page.
pub(super) async fn visit(Extract(shared): Extract<Arc<Shared>>, body: Bytes) -> Answer {
    let input = Input::json(&body, &["card", "email", "name", "session"])?;
    let id = input.required("session")?;
    let visitor = Visitor {
        email: input.text("email")?,
        name: input.text("name")?,
        declined: input.named("card", &CARDS)?.unwrap_or(false),
    };
    let (outcome, session) = pay(&shared, &id, &visitor)?;
    let word = match outcome {
        Outcome::Paid => "paid",
        Outcome::Declined => "declined",
    };
    Ok(answer(
        StatusCode::OK,
        &json!({"outcome": word, "session": session}),
    ))
}

/// `GET /checkout/{id}`: the page.
pub(super) async fn page(
    Extract(shared): Extract<Arc<Shared>>,
    Path(id): Path<String>,
) -> Response {
    match show(&shared, &id, "") {
        Ok(html) => html_answer(StatusCode::OK, html),
        Err(refusal) => closed(&refusal),
    }
}

/// `POST /checkout/{id}`: what the buttons of the page do.
pub(super) async fn pressed(
    Extract(shared): Extract<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    act(&shared, &id, &body).unwrap_or_else(|refusal| closed(&refusal))
}

fn act(shared: &Shared, id: &str, body: &[u8]) -> Result<Response, Refusal> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    let fields = form::parse(text).map_err(|error| Refusal::bad("", error.to_string()))?;
    let field = |name: &str| fields.get(name).and_then(Value::as_str);
    let typed = |name: &str| {
        field(name)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    if field("button") == Some("leave") {
        let session = open(&shared.lock(), id)?;
        return Ok(elsewhere(text_of(&session, "cancel_url"), id));
    }
    let visitor = Visitor {
        email: typed("email"),
        name: typed("name"),
        declined: field("button") == Some("decline"),
    };
    match pay(shared, id, &visitor)? {
        (Outcome::Paid, session) => Ok(elsewhere(text_of(&session, "success_url"), id)),
        (Outcome::Declined, _) => {
            let html = show(shared, id, "Your card was declined.")?;
            Ok(html_answer(StatusCode::OK, html))
        }
    }
}

/// Pays in whichever account has the session; answers it as it is then.
fn pay(shared: &Shared, id: &str, visitor: &Visitor) -> Result<(Outcome, Value), Refusal> {
    let mut state = shared.lock();
    // Pages that have run out meanwhile are closed first.
    state.run_due();
    let account = owner(&state, id)?;
    let paid = state.within(&account, |account| {
        let outcome = pay::pay(account, id, visitor)?;
        let session = account.live(Kind::CheckoutSession, id, "session")?;
        Ok((outcome, session))
    });
    Ok(paid?)
}

/// The account that a session is of.
fn owner(state: &State, id: &str) -> Result<String, Refusal> {
    let has =
        |account: &&crate::account::Account| account.table(Kind::CheckoutSession).get(id).is_some();
    let found = state.accounts.values().find(has);
    found
        .map(|account| account.id.clone())
        .ok_or_else(|| Refusal::not_found(format!("no checkout session `{id}`")))
}

fn open(state: &State, id: &str) -> Result<Value, Refusal> {
    let account = &state.accounts[&owner(state, id)?];
    Ok(pay::page(account, id)?.0)
}

fn show(shared: &Shared, id: &str, trouble: &str) -> Result<String, Refusal> {
    let mut state = shared.lock();
    state.run_due();
    let account = &state.accounts[&owner(&state, id)?];
    let (session, basket) = pay::page(account, id)?;
    let customer = session["customer"].as_str();
    let customer = customer.and_then(|id| account.read(Kind::Customer, id));
    let email = customer.as_ref().map_or_else(
        || text_of(&session, "customer_email").to_owned(),
        |customer| text_of(customer, "email").to_owned(),
    );
    let mut rows = String::new();
    for item in &basket.items {
        let product = account.read(Kind::Product, text_of(&item["price"], "product"));
        let name = product.map_or_else(String::new, |product| text_of(&product, "name").to_owned());
        // Writing into a String cannot fail.
        let _ = write!(
            rows,
            "<li>{} × {} <b>{}</b></li>",
            item["quantity"],
            escaped(&name),
            money(&item["amount_total"], &item["currency"])
        );
    }
    let total = money(&session["amount_total"], &session["currency"]);
    let who = if email.is_empty() {
        "<p><label>E-mail <input name=email type=email required></label>".to_owned()
    } else {
        format!("<p>For {}", escaped(&email))
    };
    let leave = if session["cancel_url"].is_null() {
        ""
    } else {
        " <button name=button value=leave formnovalidate>Leave</button>"
    };
    let body = format!(
        "<h1>{}</h1><ul>{rows}</ul><p>To pay now: <b>{total}</b></p><p role=alert>{}</p>\
         <form method=post>{who}</p><button name=button value=pay>Pay</button> \
         <button name=button value=decline>Pay with a card that is declined</button>{leave}</form>",
        escaped(&account.name),
        escaped(trouble)
    );
    Ok(document(&body))
}

/// An amount for people: minor units as the currency has them.
fn money(amount: &Value, currency: &Value) -> String {
    let (amount, currency) = (
        amount.as_i64().unwrap_or(0),
        currency.as_str().unwrap_or_default(),
    );
    let name = currency.to_uppercase();
    if WHOLE.contains(&currency) {
        return format!("{amount} {name}");
    }
    format!("{}.{:02} {name}", amount / 100, amount % 100)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn document(body: &str) -> String {
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Checkout</title>\
         <style>body{{font:1rem/1.5 system-ui;max-width:30rem;margin:3rem auto;padding:0 1rem}}</style>\
         <p>This is memberd's sandbox: nobody is charged.</p>{body}"
    )
}

fn closed(refusal: &Refusal) -> Response {
    let body = format!(
        "<h1>This page is closed</h1><p>{}</p>",
        escaped(refusal.message())
    );
    html_answer(refusal.status(), document(&body))
}

fn html_answer(status: StatusCode, html: String) -> Response {
    let response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "text/html; charset=utf-8");
    response.body(Body::from(html)).unwrap_or_default()
}

/// Sends the browser on, as Stripe does.
fn elsewhere(url: &str, session: &str) -> Response {
    let url = url.replace("{CHECKOUT_SESSION_ID}", session);
    let response = Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(LOCATION, url);
    response.body(Body::empty()).unwrap_or_default()
}
