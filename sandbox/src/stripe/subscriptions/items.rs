//! The items of subscriptions: which prices, how many, for which period.

use serde_json::{Value, json};

use crate::{
    account::{Account, Kind, text_of},
    stripe::{
        error::ApiError,
        objects::{self, Line},
        params::Params,
        periods::Interval,
    },
};

/// Stripe's bound.
const MAX_ITEMS: usize = 20;

/// The items, as a slice.
pub(crate) fn of(subscription: &Value) -> &[Value] {
    subscription["items"]["data"]
        .as_array()
        .map_or(&[], Vec::as_slice)
}

/// How often the subscription renews (all its items alike).
pub(crate) fn interval(subscription: &Value) -> Interval {
    Interval::of_price(&subscription["items"]["data"][0]["price"])
}

/// Sets the running period of all items.
pub(crate) fn set_period(subscription: &mut Value, start: i64, end: i64) {
    for item in subscription["items"]["data"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        item["current_period_start"] = json!(start);
        item["current_period_end"] = json!(end);
    }
}

/// What one period of an item costs.
pub(crate) fn amount(item: &Value) -> i64 {
    let unit = item["price"]["unit_amount"].as_i64().unwrap_or(0);
    unit.saturating_mul(item["quantity"].as_i64().unwrap_or(1))
}

/// Invoice lines for the running period; a trial costs nothing.
pub(crate) fn lines(subscription: &Value) -> Vec<Line> {
    let trial = subscription["status"] == json!("trialing");
    of(subscription)
        .iter()
        .map(|item| line(item, if trial { 0 } else { amount(item) }, false))
        .collect()
}

/// One line over the running period of an item.
pub(crate) fn line(item: &Value, amount: i64, proration: bool) -> Line {
    let second = |field: &str| item[field].as_i64().unwrap_or(0);
    Line {
        item: text_of(item, "id").to_owned(),
        price: item["price"].clone(),
        quantity: item["quantity"].as_i64().unwrap_or(1),
        amount,
        period: (second("current_period_start"), second("current_period_end")),
        proration,
    }
}

/// Lays `items[…]` over a subscription: new items, changed ones (`id`), removed ones (`deleted`).
pub(crate) fn apply(
    account: &mut Account,
    subscription: &mut Value,
    params: &Params,
) -> Result<(), ApiError> {
    let id = text_of(subscription, "id").to_owned();
    let mut items = of(subscription).to_vec();
    let period = items.first().map(|item| line(item, 0, false).period);
    for group in params.groups("items")? {
        group.only(&[
            "clear_usage",
            "deleted",
            "id",
            "metadata",
            "plan",
            "price",
            "quantity",
        ])?;
        let at = match group.text("id")? {
            None => None,
            Some(item) => {
                let at = items.iter().position(|known| known["id"] == json!(item));
                let missing =
                    || ApiError::no_such(400, "subscription item", item, &group.name("id"));
                Some(at.ok_or_else(missing)?)
            }
        };
        if let Some(at) = at.filter(|_| matches!(group.boolean("deleted"), Ok(Some(true)))) {
            items.remove(at);
            continue;
        }
        let mut item = match at {
            Some(at) => items.remove(at),
            None => new_item(account, &id, &group, period)?,
        };
        edit(account, &mut item, &group)?;
        items.insert(at.unwrap_or(items.len()), item);
    }
    check(&items)?;
    subscription["currency"] = items[0]["price"]["currency"].clone();
    subscription["items"]["total_count"] = json!(items.len());
    subscription["items"]["data"] = json!(items);
    Ok(())
}

/// An item for a price, in the period that the other items are in.
fn new_item(
    account: &mut Account,
    subscription: &str,
    group: &Params,
    period: Option<(i64, i64)>,
) -> Result<Value, ApiError> {
    let price = price(account, group)?.ok_or_else(|| ApiError::missing(&group.name("price")))?;
    let id = account.ids.short("si_");
    let mut item = objects::subscription_item(&id, subscription, &price, 1, account.now);
    if let Some((start, end)) = period {
        item["current_period_start"] = json!(start);
        item["current_period_end"] = json!(end);
    }
    Ok(item)
}

fn edit(account: &Account, item: &mut Value, group: &Params) -> Result<(), ApiError> {
    if let Some(price) = price(account, group)? {
        objects::set_item_price(item, &price);
    }
    if let Some(quantity) = group.integer("quantity")? {
        if quantity < 0 {
            return Err(ApiError::invalid(
                &group.name("quantity"),
                "quantity must not be negative",
            ));
        }
        item["quantity"] = json!(quantity);
    }
    group.merge_metadata(item)
}

/// The price of an item parameter; the old name `plan` is understood too.
fn price(account: &Account, group: &Params) -> Result<Option<Value>, ApiError> {
    let key = if group.has("price") { "price" } else { "plan" };
    let Some(id) = group.text(key)? else {
        return Ok(None);
    };
    let name = group.name(key);
    let price = account.live(Kind::Price, id, &name)?;
    if price["type"] != json!("recurring") {
        let message =
            format!("the price '{id}' is not recurring: subscriptions need recurring prices");
        return Err(ApiError::invalid(&name, message));
    }
    if price["active"] != json!(true) {
        return Err(ApiError::bad_value(
            "price_inactive",
            &name,
            format!("the price '{id}' is inactive"),
        ));
    }
    Ok(Some(price))
}

fn check(items: &[Value]) -> Result<(), ApiError> {
    let Some(first) = items.first() else {
        return Err(ApiError::missing("items"));
    };
    if items.len() > MAX_ITEMS {
        return Err(ApiError::invalid(
            "items",
            format!("at most {MAX_ITEMS} items"),
        ));
    }
    for item in items {
        if item["price"]["currency"] != first["price"]["currency"] {
            return Err(ApiError::invalid(
                "items",
                "all items must have the same currency",
            ));
        }
        if Interval::of_price(&item["price"]) != Interval::of_price(&first["price"]) {
            return Err(ApiError::invalid(
                "items",
                "all items must have the same billing interval",
            ));
        }
    }
    let repeated = items.iter().enumerate().any(|(at, item)| {
        items[..at]
            .iter()
            .any(|other| other["price"]["id"] == item["price"]["id"])
    });
    if repeated {
        return Err(ApiError::invalid(
            "items",
            "two items with the same price: use quantity",
        ));
    }
    Ok(())
}
