//! A living world: tiers with prices, and members in every state a subscription can be in.

use std::{collections::BTreeMap, sync::Arc};

use rand::{RngExt, rngs::StdRng};
use serde_json::{Value, json};

use crate::{
    account::{Account, Cause, Kind},
    ids::stream,
    names,
    state::{Shared, State},
    stripe::{error::ApiError, params::Params, routes},
};

/// So many members are made before the lock is let go once.
const MEMBERS_PER_TURN: u64 = 50;
/// The most members of one call.
pub(crate) const MAX_MEMBERS: u64 = 200_000;

/// A tier: its slug, name, description, what it promises, and its prices per month and year in US
/// cents (none for the default tier).
struct Tier {
    slug: &'static str,
    name: &'static str,
    about: &'static str,
    features: &'static [&'static str],
    prices: Option<(i64, i64)>,
}

const TIERS: [Tier; 4] = [
    Tier {
        slug: "reader",
        name: "Reader",
        about: "Free for everybody who signs up.",
        features: &["Weekly letter", "Comments"],
        prices: None,
    },
    Tier {
        slug: "supporter",
        name: "Supporter",
        about: "Keeps the lights on.",
        features: &["Weekly letter", "Comments", "Archive"],
        prices: Some((500, 5_000)),
    },
    Tier {
        slug: "premium",
        name: "Premium",
        about: "Everything we write.",
        features: &[
            "Weekly letter",
            "Comments",
            "Archive",
            "Long reads",
            "Podcast",
        ],
        prices: Some((1_200, 12_000)),
    },
    Tier {
        slug: "patron",
        name: "Patron",
        about: "For those who want to give more.",
        features: &["Everything in Premium", "Print edition", "Yearly meeting"],
        prices: Some((3_000, 30_000)),
    },
];

/// What becomes of a new member; the numbers are shares in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Free,
    Monthly,
    Yearly,
    Trialing,
    PastDue,
    Canceled,
    Paused,
    Leaving,
    Incomplete,
    TwoItems,
}

const FATES: [(u32, Fate); 10] = [
    (12, Fate::Free),
    (36, Fate::Monthly),
    (14, Fate::Yearly),
    (8, Fate::Trialing),
    (5, Fate::PastDue),
    (8, Fate::Canceled),
    (4, Fate::Paused),
    (6, Fate::Leaving),
    (3, Fate::Incomplete),
    (4, Fate::TwoItems),
];

/// Calls a route of the API from inside, as a client would, but without budget or key.
pub(crate) fn call(
    account: &mut Account,
    method: &str,
    path: &str,
    params: Value,
) -> Result<Value, ApiError> {
    let (route, id) = routes::find(method, path).ok_or_else(|| ApiError::no_route(method, path))?;
    let answer = (route.handler)(account, id, &Params::from_json(params))?;
    Ok(serde_json::from_str(&answer).unwrap_or_default())
}

/// The ids of the paid recurring prices, cheapest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Catalog {
    /// Per month.
    pub(crate) monthly: Vec<String>,
    /// Per year.
    pub(crate) yearly: Vec<String>,
}

impl Catalog {
    /// The catalog of an account, made when it is not there yet.
    pub(crate) fn of(account: &mut Account) -> Result<Self, ApiError> {
        let mut catalog = Self::default();
        for tier in &TIERS {
            let month_key = format!("{}_monthly", tier.slug);
            let year_key = format!("{}_yearly", tier.slug);
            if account
                .table(Kind::Price)
                .count_with("lookup_key", &month_key)
                == 0
            {
                make_tier(account, tier)?;
            }
            if tier.prices.is_some() {
                catalog.monthly.extend(
                    account
                        .table(Kind::Price)
                        .ids_with("lookup_key", &month_key),
                );
                catalog
                    .yearly
                    .extend(account.table(Kind::Price).ids_with("lookup_key", &year_key));
            }
        }
        Ok(catalog)
    }
}

fn make_tier(account: &mut Account, tier: &Tier) -> Result<(), ApiError> {
    let features: Vec<Value> = tier
        .features
        .iter()
        .map(|name| json!({"name": name}))
        .collect();
    let mut metadata = json!({"memberd_tier": tier.slug});
    if tier.prices.is_none() {
        metadata["memberd_default"] = json!("true");
    }
    let product = call(
        account,
        "POST",
        "/v1/products",
        json!({
            "name": tier.name, "description": tier.about, "marketing_features": features,
            "metadata": metadata,
        }),
    )?;
    let (month, year) = tier.prices.unwrap_or((0, 0));
    let mut first = Value::Null;
    for (interval, word, amount) in [("month", "monthly", month), ("year", "yearly", year)] {
        if interval == "year" && tier.prices.is_none() {
            continue;
        }
        let price = call(
            account,
            "POST",
            "/v1/prices",
            json!({
                "product": product["id"], "currency": "usd", "unit_amount": amount,
                "recurring": {"interval": interval}, "lookup_key": format!("{}_{word}", tier.slug),
                "nickname": format!("{} {word}", tier.name),
            }),
        )?;
        if first.is_null() {
            first = price["id"].clone();
        }
    }
    let path = format!(
        "/v1/products/{}",
        product["id"].as_str().unwrap_or_default()
    );
    call(account, "POST", &path, json!({"default_price": first}))?;
    Ok(())
}

/// A new customer with an invented name.
pub(crate) fn join(
    account: &mut Account,
    rng: &mut StdRng,
    card: Option<&str>,
) -> Result<Value, ApiError> {
    let number = account.table(Kind::Customer).rows().len() + 1;
    let person = names::person(rng, number);
    let mut params = json!({
        "name": person.name, "email": person.email,
        "address": {"city": person.city, "country": person.country, "line1": person.street,
            "postal_code": person.postal_code},
        "preferred_locales": [person.locale], "metadata": {"source": "sandbox"},
    });
    if let Some(card) = card {
        params["metadata"]["sandbox_card"] = json!(card);
    }
    call(account, "POST", "/v1/customers", params)
}

/// A subscription of a customer to prices.
pub(crate) fn subscribe(
    account: &mut Account,
    customer: &Value,
    prices: &[&str],
    more: Value,
) -> Result<Value, ApiError> {
    let items: Vec<Value> = prices.iter().map(|price| json!({"price": price})).collect();
    let mut params = json!({"customer": customer["id"], "items": items});
    if let (Some(params), Value::Object(more)) = (params.as_object_mut(), more) {
        params.extend(more);
    }
    call(account, "POST", "/v1/subscriptions", params)
}

/// Changes an object by its path.
pub(crate) fn edit(
    account: &mut Account,
    kind: &str,
    object: &Value,
    params: Value,
) -> Result<Value, ApiError> {
    let path = format!("/v1/{kind}/{}", object["id"].as_str().unwrap_or_default());
    call(account, "POST", &path, params)
}

/// One member with its fate.
fn member(account: &mut Account, rng: &mut StdRng, catalog: &Catalog) -> Result<(), ApiError> {
    let mut roll = rng.random_range(0..100_u32);
    let fate = FATES.iter().find(|(share, _)| {
        let here = roll < *share;
        roll = roll.saturating_sub(*share);
        here
    });
    let fate = fate.map_or(Fate::Monthly, |found| found.1);
    let card = (fate == Fate::Incomplete).then_some("fails");
    let customer = join(account, rng, card)?;
    // Cheaper tiers have more members.
    let tier = [0, 0, 0, 1, 1, 2][rng.random_range(0..6_usize)];
    let monthly = catalog.monthly.get(tier).map_or("", String::as_str);
    let yearly = catalog.yearly.get(tier).map_or("", String::as_str);
    let none = json!({});
    match fate {
        Fate::Free => {}
        Fate::Monthly | Fate::Incomplete => {
            subscribe(account, &customer, &[monthly], none)?;
        }
        Fate::Yearly => {
            subscribe(account, &customer, &[yearly], none)?;
        }
        Fate::Trialing => {
            let days = rng.random_range(3..31_i64);
            subscribe(
                account,
                &customer,
                &[monthly],
                json!({"trial_period_days": days}),
            )?;
        }
        Fate::PastDue => {
            // The trial ends with a card that no longer works: the quickest way there.
            let subscription = subscribe(
                account,
                &customer,
                &[monthly],
                json!({"trial_period_days": 7}),
            )?;
            edit(
                account,
                "customers",
                &customer,
                json!({"metadata": {"sandbox_card": "fails"}}),
            )?;
            edit(
                account,
                "subscriptions",
                &subscription,
                json!({"trial_end": "now"}),
            )?;
        }
        Fate::Canceled => {
            let subscription = subscribe(account, &customer, &[monthly], none)?;
            let path = format!(
                "/v1/subscriptions/{}",
                subscription["id"].as_str().unwrap_or_default()
            );
            call(
                account,
                "DELETE",
                &path,
                json!({"cancellation_details": {"feedback": "too_expensive"}}),
            )?;
        }
        Fate::Paused => {
            let subscription = subscribe(account, &customer, &[monthly], none)?;
            edit(
                account,
                "subscriptions",
                &subscription,
                json!({"pause_collection": {"behavior": "void"}}),
            )?;
        }
        Fate::Leaving => {
            let subscription = subscribe(account, &customer, &[monthly], none)?;
            edit(
                account,
                "subscriptions",
                &subscription,
                json!({"cancel_at_period_end": true}),
            )?;
        }
        Fate::TwoItems => {
            let other = catalog
                .monthly
                .get((tier + 1) % catalog.monthly.len().max(1));
            subscribe(
                account,
                &customer,
                &[monthly, other.map_or("", String::as_str)],
                none,
            )?;
        }
    }
    Ok(())
}

/// Fills an account; answers what it holds afterwards.
pub(crate) async fn build(
    shared: &Arc<Shared>,
    account: &str,
    seed: u64,
    members: u64,
) -> Result<Value, ApiError> {
    let mut rng = stream(seed, "world");
    let catalog = shared.lock().within(account, Catalog::of)?;
    let mut made = 0;
    while made < members && !shared.stop.is_cancelled() {
        let turn = MEMBERS_PER_TURN.min(members - made);
        shared.lock().within(account, |account| {
            for _ in 0..turn {
                member(account, &mut rng, &catalog)?;
            }
            Ok(())
        })?;
        made += turn;
        tokio::task::yield_now().await;
    }
    let mut state = shared.lock();
    state.hooks.send_window();
    let counts = state.within(account, |account| Ok(counts(account)))?;
    Ok(json!({"account": account, "seed": seed, "members": made, "counts": counts}))
}

/// How many objects of each kind an account holds, and subscriptions by status.
pub(crate) fn counts(account: &Account) -> Value {
    let mut counts = BTreeMap::new();
    for kind in Kind::ALL {
        let live = account
            .table(kind)
            .rows()
            .iter()
            .filter(|row| !row.gone)
            .count();
        counts.insert(kind.name(), json!(live));
    }
    let statuses = [
        "active",
        "trialing",
        "past_due",
        "canceled",
        "incomplete",
        "incomplete_expired",
        "paused",
    ];
    let by_status: BTreeMap<&str, usize> = statuses
        .into_iter()
        .map(|status| {
            (
                status,
                account
                    .table(Kind::Subscription)
                    .count_with("status", status),
            )
        })
        .collect();
    counts.insert("subscription_status", json!(by_status));
    json!(counts)
}

impl State {
    /// Changes an account from inside, now, and hands the events to the webhooks.
    pub(crate) fn within<T>(
        &mut self,
        account: &str,
        work: impl FnOnce(&mut Account) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        self.run_due();
        let now = self.clock.now();
        let account = self
            .accounts
            .get_mut(account)
            .ok_or_else(|| ApiError::no_such(404, "account", account, "account"))?;
        account.enter(now, Cause::default());
        let result = work(account);
        self.hooks.take_events(account);
        result
    }
}
