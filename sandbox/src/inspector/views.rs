//! Inspector routes that only read.

use std::sync::Arc;

use axum::{body::Body, extract::State as Extract, response::Response};
use http::{StatusCode, Uri, header::CONTENT_TYPE};
use serde_json::{Value, json};

use super::{
    Answer, account_name,
    input::{Input, Refusal, answer},
};
use crate::{
    account::Kind,
    clock::rfc3339,
    log::CAPACITY,
    state::{Shared, State},
    world,
};

/// Requests shown when no limit is given.
const DEFAULT_LOG: u64 = 100;
/// Objects on a page of the truth.
const DEFAULT_TRUTH: u64 = 1_000;
const MAX_TRUTH: u64 = 10_000;

/// `GET /stripe/log?limit=`
pub(super) async fn log(Extract(shared): Extract<Arc<Shared>>, uri: Uri) -> Answer {
    let input = Input::query(uri.query(), &["limit"])?;
    let most = u64::try_from(CAPACITY).unwrap_or(u64::MAX);
    let limit = input.integer("limit", 0, most)?.unwrap_or(DEFAULT_LOG);
    let log = shared
        .lock()
        .log
        .json(usize::try_from(limit).unwrap_or(CAPACITY));
    Ok(answer(StatusCode::OK, &log))
}

/// `GET /stripe/truth?account=&type=&limit=&after=`: oldest first, so that objects made meanwhile
/// come at the end.
pub(super) async fn truth(Extract(shared): Extract<Arc<Shared>>, uri: Uri) -> Answer {
    let input = Input::query(uri.query(), &["account", "after", "limit", "type"])?;
    let kinds: Vec<(&str, Kind)> = Kind::ALL
        .into_iter()
        .map(|kind| (kind.name(), kind))
        .collect();
    let kind = input.named("type", &kinds)?;
    let limit = input
        .integer("limit", 1, MAX_TRUTH)?
        .unwrap_or(DEFAULT_TRUTH);
    let (wanted, after) = (input.text("account")?, input.text("after")?);
    let state = shared.lock();
    let Some(kind) = kind else {
        let counts: Value = state
            .accounts
            .iter()
            .map(|(id, account)| (id.clone(), world::counts(account)))
            .collect();
        return Ok(answer(StatusCode::OK, &json!({ "accounts": counts })));
    };
    let id = account_name(&state, wanted)?;
    let body = page(
        &state,
        &id,
        kind,
        after.as_deref(),
        usize::try_from(limit).unwrap_or(usize::MAX),
    )?;
    let response = Response::builder()
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(body));
    Ok(response.unwrap_or_default())
}

/// One page of objects; they are text already, so the page is put together as text.
fn page(
    state: &State,
    account: &str,
    kind: Kind,
    after: Option<&str>,
    limit: usize,
) -> Result<String, Refusal> {
    let table = state.accounts[account].table(kind);
    let start = match after {
        None => 0,
        Some(id) => {
            let message = format!("no {} `{id}` in {account}", kind.name());
            table
                .position(id)
                .ok_or_else(|| Refusal::bad("after", message))?
                + 1
        }
    };
    let rows = table.rows().get(start..).unwrap_or_default();
    let shown = &rows[..rows.len().min(limit)];
    let data: Vec<&str> = shown
        .iter()
        .map(|row| &*row.json)
        .filter(|json| !json.is_empty())
        .collect();
    let more = rows.len() > shown.len();
    let next = if more {
        shown.last().map(|row| row.id.as_str())
    } else {
        None
    };
    Ok(format!(
        r#"{{"account":{},"type":{},"total":{},"has_more":{more},"next":{},"data":[{}]}}"#,
        json!(account),
        json!(kind.name()),
        table.rows().len(),
        json!(next),
        data.join(",")
    ))
}

/// `GET /stripe/deliveries`
pub(super) async fn deliveries(Extract(shared): Extract<Arc<Shared>>) -> Response {
    answer(StatusCode::OK, &shared.lock().hooks.stats.json())
}

/// `DELETE /stripe/deliveries`: answers what was counted until now.
pub(super) async fn reset_deliveries(Extract(shared): Extract<Arc<Shared>>) -> Response {
    let stats = &mut shared.lock().hooks.stats;
    let before = stats.json();
    stats.reset();
    answer(StatusCode::OK, &before)
}

/// `GET /stripe/webhook_endpoints`
pub(super) async fn endpoints(Extract(shared): Extract<Arc<Shared>>) -> Response {
    let state = shared.lock();
    let mut list = Vec::new();
    for account in state.accounts.values() {
        list.extend(account.endpoints.iter().map(|endpoint| {
            json!({"id": endpoint.id, "account": account.id, "url": endpoint.url,
                "secret": endpoint.secret, "events": endpoint.events, "connect": endpoint.connect})
        }));
    }
    answer(StatusCode::OK, &json!({ "endpoints": list }))
}

/// `GET /stripe/limits`
pub(super) async fn limits(Extract(shared): Extract<Arc<Shared>>) -> Response {
    answer(StatusCode::OK, &limits_json(&shared.lock()))
}

/// The limits of all accounts.
pub(super) fn limits_json(state: &State) -> Value {
    let all: Value = state
        .accounts
        .iter()
        .map(|(id, account)| {
            let limits = account.limits;
            let json = json!({"read_per_second": limits.read.per_second(),
                "write_per_second": limits.write.per_second()});
            (id.clone(), json)
        })
        .collect();
    json!({ "accounts": all })
}

/// `GET /clock`
pub(super) async fn clock(Extract(shared): Extract<Arc<Shared>>) -> Response {
    answer(StatusCode::OK, &clock_json(&mut shared.lock()))
}

/// The clock as JSON.
pub(super) fn clock_json(state: &mut State) -> Value {
    let now = state.clock.now();
    let next = state
        .accounts
        .values()
        .filter_map(|account| account.timers.keys().next())
        .min();
    json!({
        "now": now, "rfc3339": rfc3339(now), "offset_seconds": state.clock.offset(),
        "frozen": state.clock.is_frozen(), "next_timer": next.map(|key| key.0),
    })
}

/// `GET /faults`
pub(super) async fn faults(Extract(shared): Extract<Arc<Shared>>) -> Response {
    answer(StatusCode::OK, &shared.lock().faults.json())
}
