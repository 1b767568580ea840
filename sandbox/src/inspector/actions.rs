//! Inspector routes that change the world.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Path, State as Extract},
    response::Response,
};
use bytes::Bytes;
use http::{StatusCode, Uri};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Answer, account_mut, account_name,
    input::{Input, Refusal, answer},
    views,
};
use crate::{
    account::Kind,
    faults::{Fault, MODES, Mode, TARGETS},
    scenario::{self, Name, Script},
    state::Shared,
    stripe::limits::{Bucket, Limits},
    webhooks::{Chaos, Delivery, Endpoint, MAX_SHUFFLE, deliver},
    world,
};

/// The furthest one call moves the clock: five years.
const MAX_ADVANCE: u64 = 5 * 366 * 86_400;
/// The longest delay of a fault or of chaos: ten minutes.
const MAX_DELAY_MS: u64 = 600_000;
const DEFAULT_FAULT_DELAY_MS: u64 = 2_000;
const DEFAULT_FAULT_STATUS: u64 = 500;
/// How often one call sends an event again.
const MAX_REPLAYS: u64 = 1_000;
const MAX_RATE: u64 = 1_000_000;
const DEFAULT_MEMBERS: u64 = 100;
const DEFAULT_EVENTS: u64 = 500;

/// Fields of a scenario.
const SCRIPT: [&str; 6] = [
    "account",
    "events",
    "member",
    "name",
    "rate_per_second",
    "seed",
];
/// Fields of the knobs.
const KNOBS: [&str; 4] = ["delay_ms", "drop", "duplicate", "shuffle"];

/// `POST /stripe/world {seed?, members?, account?}`
pub(super) async fn world(Extract(shared): Extract<Arc<Shared>>, body: Bytes) -> Answer {
    let input = Input::json(&body, &["account", "members", "seed"])?;
    let members = input
        .integer("members", 0, world::MAX_MEMBERS)?
        .unwrap_or(DEFAULT_MEMBERS);
    let (account, own_seed) = {
        let state = shared.lock();
        (account_name(&state, input.text("account")?)?, state.seed)
    };
    let seed = input.integer("seed", 0, u64::MAX)?.unwrap_or(own_seed);
    Ok(answer(
        StatusCode::OK,
        &world::build(&shared, &account, seed, members).await?,
    ))
}

/// `POST /stripe/scenario {name, member?, events?, rate_per_second?, seed?, account?}`
pub(super) async fn scenario(Extract(shared): Extract<Arc<Shared>>, body: Bytes) -> Answer {
    let input = Input::json(&body, &SCRIPT)?;
    let Some(script) = script(&shared, &input)? else {
        return Err(Refusal::bad("name", "`name` is missing"));
    };
    Ok(answer(
        StatusCode::OK,
        &scenario::play(&shared, &script).await?,
    ))
}

/// `POST /stripe/chaos`: a scenario under the knobs, which go back afterwards; without a name the
/// knobs stay until they are set again.
pub(super) async fn chaos(Extract(shared): Extract<Arc<Shared>>, body: Bytes) -> Answer {
    let input = Input::json(&body, &[&SCRIPT[..], &KNOBS[..]].concat())?;
    let shuffle = input.integer("shuffle", 0, MAX_SHUFFLE)?.unwrap_or(0);
    let knobs = Chaos {
        duplicate: input.share("duplicate")?.unwrap_or(0.0),
        shuffle: usize::try_from(shuffle).unwrap_or(0),
        delay_ms: input.integer("delay_ms", 0, MAX_DELAY_MS)?.unwrap_or(0),
        drop: input.share("drop")?.unwrap_or(0.0),
    };
    let script = script(&shared, &input)?;
    let (before, counts) = {
        let mut state = shared.lock();
        state.hooks.send_window();
        let counted = &state.hooks.stats;
        let counts = [counted.planned, counted.duplicated, counted.dropped];
        (std::mem::replace(&mut state.hooks.chaos, knobs), counts)
    };
    let Some(script) = script else {
        return Ok(answer(
            StatusCode::OK,
            &json!({ "chaos": knobs_json(knobs) }),
        ));
    };
    let played = scenario::play(&shared, &script).await;
    let mut state = shared.lock();
    state.hooks.chaos = before;
    let mut played = played?;
    let counted = &state.hooks.stats;
    played["chaos"] = knobs_json(knobs);
    played["deliveries"] = json!(counted.planned.saturating_sub(counts[0]));
    played["duplicated"] = json!(counted.duplicated.saturating_sub(counts[1]));
    played["dropped"] = json!(counted.dropped.saturating_sub(counts[2]));
    Ok(answer(StatusCode::OK, &played))
}

fn knobs_json(chaos: Chaos) -> Value {
    json!({"duplicate": chaos.duplicate, "shuffle": chaos.shuffle, "delay_ms": chaos.delay_ms,
        "drop": chaos.drop})
}

fn script(shared: &Shared, input: &Input) -> Result<Option<Script>, Refusal> {
    let Some(name) = input.named::<Name>("name", &scenario::NAMES)? else {
        return Ok(None);
    };
    let state = shared.lock();
    Ok(Some(Script {
        name,
        account: account_name(&state, input.text("account")?)?,
        member: input.text("member")?,
        events: input
            .integer("events", 1, scenario::MAX_EVENTS)?
            .unwrap_or(DEFAULT_EVENTS),
        rate_per_second: input.integer("rate_per_second", 0, MAX_RATE)?.unwrap_or(0),
        // Another series for each call, unless a seed is given.
        seed: input
            .integer("seed", 0, u64::MAX)?
            .unwrap_or(state.seed ^ state.hooks.stats.events),
    }))
}

/// `POST /stripe/replay {event, times?, age_seconds?, account?}`: at once, past all knobs, faults
/// and retries; answers what the daemon answered.
pub(super) async fn replay(Extract(shared): Extract<Arc<Shared>>, body: Bytes) -> Answer {
    let input = Input::json(&body, &["account", "age_seconds", "event", "times"])?;
    let event = input.required("event")?;
    let times = input.integer("times", 1, MAX_REPLAYS)?.unwrap_or(1);
    let age = input.integer("age_seconds", 0, MAX_ADVANCE)?.unwrap_or(0);
    let age = i64::try_from(age).unwrap_or(i64::MAX);
    let targets: Vec<Delivery> = {
        let mut state = shared.lock();
        let account = account_mut(&mut state, input.text("account")?)?;
        let body = account.answer(Kind::Event, &event).map_err(|_| {
            Refusal::bad(
                "event",
                format!("no event `{event}` in account {}", account.id),
            )
        })?;
        let target = |endpoint: &Endpoint| Delivery {
            event: event.clone(),
            body: endpoint.body(&account.id, &body),
            url: endpoint.url.clone(),
            secret: endpoint.secret.clone(),
            attempts: 0,
            delay: Duration::ZERO,
        };
        account.endpoints.iter().map(target).collect()
    };
    let mut sent = Vec::new();
    for _ in 0..times {
        for target in &targets {
            let begun = Instant::now();
            let result = deliver::send(&shared, target, age).await;
            let millis = begun.elapsed().as_secs_f64() * 1_000.0;
            let (status, error) = (result.as_ref().ok(), result.as_ref().err());
            sent.push(
                json!({"url": target.url, "status": status, "error": error, "millis": millis}),
            );
        }
    }
    Ok(answer(
        StatusCode::OK,
        &json!({"event": event, "age_seconds": age, "sent": sent}),
    ))
}

/// `POST /stripe/webhook_endpoints {url, secret?, account?, events?, connect?}`; the same account and url
/// again: the endpoint is replaced. With `connect` it belongs to the platform of a connected account, and events name
/// the account.
pub(super) async fn add_endpoint(Extract(shared): Extract<Arc<Shared>>, body: Bytes) -> Answer {
    let input = Input::json(&body, &["account", "connect", "events", "secret", "url"])?;
    let url = input.required("url")?;
    if !url.starts_with("http://") {
        return Err(Refusal::bad(
            "url",
            "`url` must begin with http:// (the sandbox speaks no TLS)",
        ));
    }
    let (secret, events) = (input.text("secret")?, input.texts("events")?);
    let connect = input.boolean("connect")?.unwrap_or(false);
    let mut state = shared.lock();
    let account = account_mut(&mut state, input.text("account")?)?;
    if connect && account.platform.is_none() {
        let message = format!("account {} is connected to no platform", account.id);
        return Err(Refusal::bad("connect", message));
    }
    let endpoint = Endpoint {
        id: account.ids.long("we_"),
        url,
        secret: secret.unwrap_or_else(|| account.ids.long("whsec_")),
        events: events.unwrap_or_else(|| vec!["*".to_owned()]),
        connect,
    };
    let json = json!({"id": endpoint.id, "account": account.id, "url": endpoint.url,
        "secret": endpoint.secret, "events": endpoint.events, "connect": endpoint.connect});
    account.endpoints.retain(|known| known.url != endpoint.url);
    account.endpoints.push(endpoint);
    Ok(answer(StatusCode::CREATED, &json))
}

/// `DELETE /stripe/webhook_endpoints/{id}`
pub(super) async fn remove_endpoint(
    Extract(shared): Extract<Arc<Shared>>,
    Path(id): Path<String>,
) -> Answer {
    let mut removed = 0;
    for account in shared.lock().accounts.values_mut() {
        let before = account.endpoints.len();
        account.endpoints.retain(|endpoint| endpoint.id != id);
        removed += before - account.endpoints.len();
    }
    if removed == 0 {
        return Err(Refusal::not_found(format!("no webhook endpoint `{id}`")));
    }
    Ok(answer(StatusCode::OK, &json!({"id": id, "deleted": true})))
}

/// `POST /stripe/limits {read_per_second?, write_per_second?, account?}`; without account: all.
pub(super) async fn set_limits(Extract(shared): Extract<Arc<Shared>>, body: Bytes) -> Answer {
    let input = Input::json(&body, &["account", "read_per_second", "write_per_second"])?;
    let rate = |key: &str| {
        let rate = input.integer(key, 1, MAX_RATE)?;
        Ok::<_, Refusal>(rate.and_then(|rate| u32::try_from(rate).ok()))
    };
    let (read, write) = (rate("read_per_second")?, rate("write_per_second")?);
    let set = |limits: &mut Limits| {
        limits.read = read.map_or(limits.read, Bucket::new);
        limits.write = write.map_or(limits.write, Bucket::new);
    };
    let mut state = shared.lock();
    match input.text("account")? {
        Some(account) => set(&mut account_mut(&mut state, Some(account))?.limits),
        None => state
            .accounts
            .values_mut()
            .for_each(|account| set(&mut account.limits)),
    }
    Ok(answer(StatusCode::OK, &views::limits_json(&state)))
}

/// `POST /clock {advance_seconds}`
pub(super) async fn advance(Extract(shared): Extract<Arc<Shared>>, body: Bytes) -> Answer {
    let input = Input::json(&body, &["advance_seconds"])?;
    let seconds = input.integer("advance_seconds", 0, MAX_ADVANCE)?;
    let seconds =
        seconds.ok_or_else(|| Refusal::bad("advance_seconds", "`advance_seconds` is missing"))?;
    let fired = shared
        .advance(i64::try_from(seconds).unwrap_or(i64::MAX))
        .await;
    let mut json = views::clock_json(&mut shared.lock());
    json["timers_fired"] = json!(fired);
    Ok(answer(StatusCode::OK, &json))
}

/// `POST /faults {target, mode, method?, path?, status?, rate?, times?, delay_ms?, cached?}`
pub(super) async fn add_fault(Extract(shared): Extract<Arc<Shared>>, body: Bytes) -> Answer {
    let known = [
        "cached", "delay_ms", "method", "mode", "path", "rate", "status", "target", "times",
    ];
    let input = Input::json(&body, &known)?;
    let missing = |field: &str| Refusal::bad(field, format!("`{field}` is missing"));
    let mode: Mode = input
        .named("mode", &MODES)?
        .ok_or_else(|| missing("mode"))?;
    // A proxy's page may well say 200.
    let least = if mode == Mode::Html { 200 } else { 400 };
    let status = input
        .integer("status", least, 599)?
        .unwrap_or(DEFAULT_FAULT_STATUS);
    let fault = Fault {
        id: String::new(),
        target: input
            .named("target", &TARGETS)?
            .ok_or_else(|| missing("target"))?,
        method: input.text("method")?,
        path: input.text("path")?,
        mode,
        status: u16::try_from(status).unwrap_or(500),
        rate: input.share("rate")?.unwrap_or(1.0),
        times: input.integer("times", 1, u64::MAX)?,
        delay_ms: input
            .integer("delay_ms", 0, MAX_DELAY_MS)?
            .unwrap_or(DEFAULT_FAULT_DELAY_MS),
        cached: input.boolean("cached")?.unwrap_or(false),
    };
    let json = shared.lock().faults.add(fault).json();
    Ok(answer(StatusCode::CREATED, &json))
}

/// `DELETE /faults?id=`
pub(super) async fn clear_faults(Extract(shared): Extract<Arc<Shared>>, uri: Uri) -> Answer {
    let id = Input::query(uri.query(), &["id"])?.text("id")?;
    let cleared = shared.lock().faults.clear(id.as_deref());
    if let Some(id) = id.filter(|_| cleared == 0) {
        return Err(Refusal::not_found(format!("no fault `{id}`")));
    }
    Ok(done(cleared))
}

fn done(cleared: usize) -> Response {
    answer(StatusCode::OK, &json!({ "cleared": cleared }))
}
