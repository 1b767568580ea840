//! Members: how they join, subscribe and change, through the same functions as the API.

use rand::{RngExt, rngs::StdRng};
use serde_json::{Value, json};

use super::{catalog::Catalog, names};
use crate::{
    account::{Account, Kind, text_of},
    stripe::{error::ApiError, params::Params, payments, routes},
};

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
    let customer = call(account, "POST", "/v1/customers", params)?;
    if card.is_none() {
        payments::attach(account, &customer, number);
    }
    Ok(customer)
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
pub(super) fn member(
    account: &mut Account,
    rng: &mut StdRng,
    catalog: &Catalog,
) -> Result<(), ApiError> {
    let fate = draw(rng);
    let card = (fate == Fate::Incomplete).then_some("fails");
    let customer = join(account, rng, card)?;
    // Cheaper tiers have more members.
    let tier = [0, 0, 0, 1, 1, 2][rng.random_range(0..6_usize)];
    let trial_days = rng.random_range(3..31_i64);
    let monthly = catalog.monthly(tier);
    let (prices, more) = match fate {
        Fate::Free => return Ok(()),
        Fate::Yearly => (vec![catalog.yearly(tier)], json!({})),
        Fate::TwoItems => (vec![monthly, catalog.monthly(tier + 1)], json!({})),
        Fate::Trialing | Fate::PastDue => (vec![monthly], json!({"trial_period_days": trial_days})),
        _ => (vec![monthly], json!({})),
    };
    let subscription = subscribe(account, &customer, &prices, more)?;
    match fate {
        Fate::PastDue => {
            // The trial ends with a card that no longer works: the quickest way there.
            let broken = json!({"metadata": {"sandbox_card": "fails"}});
            edit(account, "customers", &customer, broken)?;
            edit(
                account,
                "subscriptions",
                &subscription,
                json!({"trial_end": "now"}),
            )?;
        }
        Fate::Canceled => {
            let path = format!("/v1/subscriptions/{}", text_of(&subscription, "id"));
            let why = json!({"cancellation_details": {"feedback": "too_expensive"}});
            call(account, "DELETE", &path, why)?;
        }
        Fate::Paused => {
            let pause = json!({"pause_collection": {"behavior": "void"}});
            edit(account, "subscriptions", &subscription, pause)?;
        }
        Fate::Leaving => {
            let leave = json!({"cancel_at_period_end": true});
            edit(account, "subscriptions", &subscription, leave)?;
        }
        _ => {}
    }
    Ok(())
}

fn draw(rng: &mut StdRng) -> Fate {
    let roll = rng.random_range(0..100_u32);
    let mut upper = 0;
    let found = FATES.iter().find(|(share, _)| {
        upper += share;
        roll < upper
    });
    found.map_or(Fate::Monthly, |found| found.1)
}
