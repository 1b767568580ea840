//! Subscriptions with their items.

use serde_json::Value;

use super::{
    Price, created, customer::card_at, discount::discounted_by, first, flag, id_at, list, number, price, text, time,
};
use crate::{
    entitlements::{ItemFacts, SubscriptionFacts, model::monthly_amount},
    kernel::Timestamp,
};

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// What access depends on.
    pub facts: SubscriptionFacts,
    /// `cus_…`
    pub customer_id: String,
    /// `charge_automatically` or `send_invoice`.
    pub collection_method: Option<String>,
    /// Currency code.
    pub currency: Option<String>,
    /// When the trial began.
    pub trial_start: Option<Timestamp>,
    /// When the cancellation was asked for.
    pub canceled_at: Option<Timestamp>,
    /// Why it was cancelled, in Stripe's word; never what somebody wrote about it.
    pub cancel_reason: Option<String>,
    /// `pm_…`: what pays it; `None` leaves it to the customer's.
    pub payment_method_id: Option<String>,
    /// `sub_sched_…`
    pub schedule_id: Option<String>,
    /// The coupon of its first discount.
    pub coupon_id: Option<String>,
    /// `in_…`
    pub latest_invoice_id: Option<String>,
    /// Its items.
    pub items: Vec<Item>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// An item of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// `si_…`
    pub id: String,
    /// The price.
    pub price: Price,
    /// Units.
    pub quantity: i64,
    /// Start of its period.
    pub period_start: Option<Timestamp>,
    /// End of its period.
    pub period_end: Option<Timestamp>,
}

fn item(value: &Value, subscription: &Value) -> Option<Item> {
    let price = price(value.get("price").or_else(|| value.get("plan"))?)?;
    let period = |name: &str| {
        time(value, name).or_else(|| time(subscription, name))
    };
    Some(Item {
        id: text(value, "/id")?,
        price,
        quantity: number(value, "/quantity").unwrap_or(1),
        period_start: period("/current_period_start"),
        period_end: period("/current_period_end"),
    })
}

/// A subscription with its items.
pub fn subscription(value: &Value) -> Option<Subscription> {
    let items: Vec<Item> =
        list(value, "/items").iter().filter_map(|one| item(one, value)).collect();
    let created_at = created(value);
    let facts = SubscriptionFacts {
        id: text(value, "/id")?,
        status: text(value, "/status").unwrap_or_default(),
        started_at: time(value, "/start_date").unwrap_or(created_at),
        period_start: items.iter().filter_map(|item| item.period_start).min(),
        period_end: items.iter().filter_map(|item| item.period_end).min(),
        cancel_at: time(value, "/cancel_at"),
        cancel_at_period_end: flag(value, "/cancel_at_period_end"),
        ended_at: time(value, "/ended_at"),
        trial_end: time(value, "/trial_end"),
        pause_behavior: text(value, "/pause_collection/behavior"),
        pause_resumes_at: time(value, "/pause_collection/resumes_at"),
        // The invoices know it, see `store/facts.rs`.
        unpaid_since: None,
        items: items.iter().map(item_facts).collect(),
    };
    Some(Subscription {
        customer_id: id_at(value, "/customer")?,
        collection_method: first(value, &["/collection_method", "/billing"], text),
        currency: text(value, "/currency")
            .or_else(|| items.first().map(|item| item.price.currency.clone())),
        trial_start: time(value, "/trial_start"),
        canceled_at: time(value, "/canceled_at"),
        cancel_reason: text(value, "/cancellation_details/reason"),
        payment_method_id: id_at(value, "/default_payment_method")
            .or_else(|| card_at(value, "/default_source")),
        schedule_id: id_at(value, "/schedule"),
        coupon_id: first(value, &["/discounts/0", "/discount"], discounted_by),
        latest_invoice_id: id_at(value, "/latest_invoice"),
        facts,
        items,
        created_at,
    })
}

fn item_facts(item: &Item) -> ItemFacts {
    let Price { unit_amount, interval, interval_count, product_id, .. } = &item.price;
    ItemFacts {
        product_id: product_id.clone(),
        monthly_amount: monthly_amount(
            unit_amount.unwrap_or(0),
            item.quantity,
            interval.as_deref().unwrap_or("month"),
            interval_count.unwrap_or(1),
        ),
    }
}
