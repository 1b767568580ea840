//! Scenarios: things that members do, as a series of changes.

use std::{sync::Arc, time::Duration};

use rand::{RngExt, rngs::StdRng};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    account::{Account, Kind, text_of},
    ids::stream,
    state::Shared,
    stripe::error::ApiError,
    world::{
        catalog::Catalog,
        members::{call, edit, join, subscribe},
    },
};

/// The most events of one busy day.
pub(crate) const MAX_EVENTS: u64 = 1_000_000;
/// Share of the active subscriptions that `churn` ends without a member: one in so many.
const CHURN_ONE_IN: usize = 10;

/// What can be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// A member moves to the next tier at once.
    Upgrade,
    /// A member subscribes, pauses, resumes and cancels, all in a moment.
    SubscribePauseResumeCancel,
    /// Members do all sorts of things until there are enough events.
    BusyDay,
    /// A member leaves; without one, a tenth of the active ones.
    Churn,
}

/// Every scenario by its name.
pub(crate) const NAMES: [(&str, Name); 4] = [
    ("upgrade", Name::Upgrade),
    (
        "subscribe_pause_resume_cancel",
        Name::SubscribePauseResumeCancel,
    ),
    ("busy_day", Name::BusyDay),
    ("churn", Name::Churn),
];

/// What to play.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// Which.
    pub(crate) name: Name,
    /// Where.
    pub(crate) account: String,
    /// With whom (`cus_…`).
    pub(crate) member: Option<String>,
    /// How many events a busy day makes at least.
    pub(crate) events: u64,
    /// How fast at most; 0 is without bound.
    pub(crate) rate_per_second: u64,
    /// Who does what.
    pub(crate) seed: u64,
}

/// Plays a script; answers when all its events are made (not when they are delivered).
pub(crate) async fn play(shared: &Arc<Shared>, script: &Script) -> Result<Value, ApiError> {
    let begun = Instant::now();
    let before = shared.lock().hooks.stats.events;
    let mut rng = stream(script.seed, "scenario");
    let catalog = shared.lock().within(&script.account, Catalog::of)?;
    let mut members = Vec::new();
    let mut actions = 0_u64;
    loop {
        let (member, made) = {
            let mut state = shared.lock();
            let member = state.within(&script.account, |account| {
                act(account, &mut rng, &catalog, script)
            })?;
            (member, state.hooks.stats.events.saturating_sub(before))
        };
        actions += 1;
        if !members.contains(&member) && members.len() < 100 {
            members.push(member);
        }
        if script.name != Name::BusyDay || made >= script.events || shared.stop.is_cancelled() {
            break;
        }
        keep_pace(shared, script.rate_per_second, begun, made).await;
    }
    let mut state = shared.lock();
    state.hooks.send_window();
    let made = state.hooks.stats.events.saturating_sub(before);
    Ok(json!({
        "name": NAMES.iter().find(|known| known.1 == script.name).map(|known| known.0),
        "account": script.account, "members": members, "actions": actions, "events": made,
        "seconds": begun.elapsed().as_secs_f64(),
    }))
}

/// Waits until `made` events are not more than the rate allows.
async fn keep_pace(shared: &Shared, rate: u64, begun: Instant, made: u64) {
    match made.saturating_mul(1_000_000).checked_div(rate) {
        Some(micros) => {
            let due = Duration::from_micros(micros);
            shared.pause(due.saturating_sub(begun.elapsed())).await;
        }
        None => tokio::task::yield_now().await,
    }
}

/// One action; answers the member who did it.
fn act(
    account: &mut Account,
    rng: &mut StdRng,
    catalog: &Catalog,
    script: &Script,
) -> Result<String, ApiError> {
    let member = script.member.as_deref();
    match script.name {
        Name::Upgrade => {
            let subscription = active_of(account, rng, catalog, member)?;
            change_tier(account, catalog, &subscription, 1)?;
            Ok(text_of(&subscription, "customer").to_owned())
        }
        Name::SubscribePauseResumeCancel => whole_life(account, rng, catalog, member),
        Name::BusyDay => something(account, rng, catalog, member),
        Name::Churn => churn(account, rng, catalog, member),
    }
}

/// An active subscription of the member, or of anybody; made when there is none.
fn active_of(
    account: &mut Account,
    rng: &mut StdRng,
    catalog: &Catalog,
    member: Option<&str>,
) -> Result<Value, ApiError> {
    if let Some(subscription) = active(account, rng, member)? {
        return Ok(subscription);
    }
    let customer = match member {
        Some(id) => account.live(Kind::Customer, id, "member")?,
        None => join(account, rng, None)?,
    };
    subscribe(account, &customer, &[catalog.monthly(0)], json!({}))
}

fn active(
    account: &mut Account,
    rng: &mut StdRng,
    member: Option<&str>,
) -> Result<Option<Value>, ApiError> {
    let table = account.table(Kind::Subscription);
    if let Some(member) = member {
        account.live(Kind::Customer, member, "member")?;
        let own = table.ids_with("customer", member);
        let mut own = own
            .iter()
            .rev()
            .filter_map(|id| account.read(Kind::Subscription, id));
        return Ok(own.find(|subscription| subscription["status"] == json!("active")));
    }
    let rows = table.rows();
    // A few draws find an active one quickly where they are common; no full scan for each action.
    for _ in 0..20 {
        let Some(row) = (!rows.is_empty()).then(|| &rows[rng.random_range(0..rows.len())]) else {
            break;
        };
        if row
            .keys
            .iter()
            .any(|(field, value)| *field == "status" && value == "active")
        {
            return Ok(account.read(Kind::Subscription, &row.id));
        }
    }
    Ok(None)
}

/// Moves a subscription's first item up or down the tiers (round at the ends), keeping the interval.
fn change_tier(
    account: &mut Account,
    catalog: &Catalog,
    subscription: &Value,
    step: usize,
) -> Result<Value, ApiError> {
    let item = &subscription["items"]["data"][0];
    let held: Vec<&str> = subscription["items"]["data"]
        .as_array()
        .map(|items| {
            items
                .iter()
                .map(|item| text_of(&item["price"], "id"))
                .collect()
        })
        .unwrap_or_default();
    let yearly = item["price"]["recurring"]["interval"] == json!("year");
    let prices = if yearly {
        &catalog.yearly
    } else {
        &catalog.monthly
    };
    let at = prices
        .iter()
        .position(|price| price == held[0])
        .unwrap_or(0);
    let next = prices
        .get((at + step) % prices.len().max(1))
        .map_or("", String::as_str);
    if held.contains(&next) {
        return Ok(subscription.clone());
    }
    edit(
        account,
        "subscriptions",
        subscription,
        json!({
            "items": [{"id": item["id"], "price": next}], "proration_behavior": "always_invoice",
        }),
    )
}

fn cancel(account: &mut Account, subscription: &Value) -> Result<Value, ApiError> {
    let path = format!("/v1/subscriptions/{}", text_of(subscription, "id"));
    call(account, "DELETE", &path, json!({}))
}

fn whole_life(
    account: &mut Account,
    rng: &mut StdRng,
    catalog: &Catalog,
    member: Option<&str>,
) -> Result<String, ApiError> {
    let customer = match member {
        Some(id) => account.live(Kind::Customer, id, "member")?,
        None => join(account, rng, None)?,
    };
    let subscription = subscribe(account, &customer, &[catalog.monthly(0)], json!({}))?;
    edit(
        account,
        "subscriptions",
        &subscription,
        json!({"pause_collection": {"behavior": "void"}}),
    )?;
    edit(
        account,
        "subscriptions",
        &subscription,
        json!({"pause_collection": ""}),
    )?;
    cancel(account, &subscription)?;
    Ok(text_of(&customer, "id").to_owned())
}

fn churn(
    account: &mut Account,
    rng: &mut StdRng,
    catalog: &Catalog,
    member: Option<&str>,
) -> Result<String, ApiError> {
    if member.is_some() {
        let subscription = active_of(account, rng, catalog, member)?;
        cancel(account, &subscription)?;
        return Ok(text_of(&subscription, "customer").to_owned());
    }
    let active = account
        .table(Kind::Subscription)
        .ids_with("status", "active");
    let mut last = String::new();
    for id in active.iter().step_by(CHURN_ONE_IN) {
        let subscription = account.live(Kind::Subscription, id, "id")?;
        cancel(account, &subscription)?;
        text_of(&subscription, "customer").clone_into(&mut last);
    }
    Ok(last)
}

/// One of the things that happen on a busy day.
fn something(
    account: &mut Account,
    rng: &mut StdRng,
    catalog: &Catalog,
    member: Option<&str>,
) -> Result<String, ApiError> {
    let roll = rng.random_range(0..100_u32);
    if roll < 20 && member.is_none() {
        let customer = join(account, rng, None)?;
        if roll < 15 {
            let tier = rng.random_range(0..catalog.monthly.len().max(1));
            subscribe(account, &customer, &[catalog.monthly(tier)], json!({}))?;
        }
        return Ok(text_of(&customer, "id").to_owned());
    }
    let subscription = active_of(account, rng, catalog, member)?;
    let customer = json!({"id": subscription["customer"]});
    match roll {
        0..=39 => {
            let note = format!("note {}", rng.random_range(0..1_000_000_u32));
            edit(
                account,
                "customers",
                &customer,
                json!({"description": note}),
            )?;
        }
        40..=59 => {
            let step = rng.random_range(1..3_usize);
            change_tier(account, catalog, &subscription, step)?;
        }
        60..=74 => {
            let leaving = subscription["cancel_at_period_end"] == json!(true);
            edit(
                account,
                "subscriptions",
                &subscription,
                json!({"cancel_at_period_end": !leaving}),
            )?;
        }
        75..=89 => {
            let paused = subscription["pause_collection"].is_object();
            let pause = if paused {
                json!("")
            } else {
                json!({"behavior": "void"})
            };
            edit(
                account,
                "subscriptions",
                &subscription,
                json!({"pause_collection": pause}),
            )?;
        }
        _ => {
            cancel(account, &subscription)?;
        }
    }
    Ok(text_of(&subscription, "customer").to_owned())
}
