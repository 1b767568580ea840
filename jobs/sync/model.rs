//! Reading Stripe's JSON, tolerantly: every field in its old and its new place, nothing required that we can do
//! without. Unknown fields and words stay in the raw object; they are never an error. Pure.
//!
//! Places that moved with API version 2025-03-31: the period went from the subscription to its items, the invoice's
//! subscription into `parent.subscription_details`.

use serde_json::Value;

use crate::{
    entitlements::{ItemFacts, ProductFacts, SubscriptionFacts, model::monthly_amount},
    kernel::Timestamp,
};

/// An event's envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFacts {
    /// `evt_…`
    pub id: String,
    /// Its type, such as `invoice.paid`.
    pub kind: String,
    /// When it happened, in Stripe's whole seconds.
    pub created_at: Timestamp,
    /// Whether it is of live mode.
    pub livemode: bool,
    /// The connected account it happened in; `None` for our own.
    pub account: Option<String>,
    /// The API version it was rendered in.
    pub api_version: Option<String>,
    /// Type and id of the object it is about.
    pub object: Option<(String, String)>,
}

/// A customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// `cus_…`
    pub id: String,
    /// Address.
    pub email: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Currency of its invoices.
    pub currency: Option<String>,
    /// Whether its latest invoice is overdue.
    pub delinquent: bool,
    /// The member that its metadata names under `memberd_member_id`.
    pub member_id: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// `price_…`
    pub id: String,
    /// `prod_…`
    pub product_id: String,
    /// Its name for people.
    pub nickname: Option<String>,
    /// Currency code.
    pub currency: String,
    /// Minor units for one interval; `None` when Stripe computes it.
    pub unit_amount: Option<i64>,
    /// `day`, `week`, `month` or `year`; `None` for a one-time price.
    pub interval: Option<String>,
    /// Intervals between two charges.
    pub interval_count: Option<i64>,
    /// Whether it can be bought.
    pub active: bool,
    /// When it was created.
    pub created_at: Timestamp,
}

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
    /// When collection resumes by itself.
    pub pause_resumes_at: Option<Timestamp>,
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

/// An invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoice {
    /// `in_…`
    pub id: String,
    /// `cus_…`
    pub customer_id: Option<String>,
    /// `sub_…`
    pub subscription_id: Option<String>,
    /// Its number for people.
    pub number: Option<String>,
    /// `draft`, `open`, `paid`, `uncollectible` or `void`.
    pub status: Option<String>,
    /// `charge_automatically` or `send_invoice`.
    pub collection_method: Option<String>,
    /// Currency code.
    pub currency: String,
    /// Minor units, tax included.
    pub total: i64,
    /// Minor units to be paid in all.
    pub amount_due: i64,
    /// Minor units paid so far.
    pub amount_paid: i64,
    /// Minor units still open.
    pub amount_remaining: i64,
    /// Attempts to collect it.
    pub attempt_count: i64,
    /// When it is due, if it is sent.
    pub due_date: Option<Timestamp>,
    /// Start of what it bills.
    pub period_start: Option<Timestamp>,
    /// End of what it bills.
    pub period_end: Option<Timestamp>,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
    /// Its page at Stripe.
    pub hosted_invoice_url: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A text, without the NULs that JSON can hold and PostgreSQL's texts cannot.
fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer).and_then(Value::as_str).map(|text| text.replace('\0', ""))
}

fn number(value: &Value, pointer: &str) -> Option<i64> {
    value.pointer(pointer).and_then(Value::as_i64)
}

fn flag(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer).and_then(Value::as_bool).unwrap_or(false)
}

fn time(value: &Value, pointer: &str) -> Option<Timestamp> {
    number(value, pointer).map(Timestamp::from_seconds)
}

/// The id at a place that holds either an id or the expanded object.
fn id_at(value: &Value, pointer: &str) -> Option<String> {
    let found = value.pointer(pointer)?;
    found.as_str().or_else(|| found.get("id").and_then(Value::as_str)).map(str::to_owned)
}

fn first<T>(value: &Value, pointers: &[&str], read: fn(&Value, &str) -> Option<T>) -> Option<T> {
    pointers.iter().find_map(|pointer| read(value, pointer))
}

fn created(value: &Value) -> Timestamp {
    time(value, "/created").unwrap_or_default()
}

/// An event's envelope; also that of a thin event, which names its object in `related_object`.
/// `None` when it is not an event at all.
pub fn event(value: &Value) -> Option<EventFacts> {
    let object = text(value, "/data/object/object")
        .zip(text(value, "/data/object/id"))
        .or_else(|| text(value, "/related_object/type").zip(text(value, "/related_object/id")));
    let thin = text(value, "/created").and_then(|created| Timestamp::parse(&created));
    Some(EventFacts {
        id: text(value, "/id").filter(|id| !id.is_empty())?,
        kind: text(value, "/type")?,
        created_at: time(value, "/created").or(thin).filter(|at| at.is_plausible())?,
        livemode: flag(value, "/livemode"),
        account: first(value, &["/account", "/context"], text),
        api_version: text(value, "/api_version"),
        object,
    })
}

/// Whether an object is a tombstone.
pub fn is_deleted(value: &Value) -> bool {
    flag(value, "/deleted")
}

/// A customer.
pub fn customer(value: &Value) -> Option<Customer> {
    Some(Customer {
        id: text(value, "/id")?,
        email: text(value, "/email"),
        name: text(value, "/name"),
        currency: text(value, "/currency"),
        delinquent: flag(value, "/delinquent"),
        member_id: text(value, "/metadata/memberd_member_id"),
        created_at: created(value),
    })
}

/// A product as a tier, and when it was created.
pub fn product(value: &Value) -> Option<(ProductFacts, Timestamp)> {
    let features = value.get("marketing_features").or_else(|| value.get("features"));
    let benefits = features.and_then(Value::as_array).map_or_else(Vec::new, |features| {
        features.iter().filter_map(|feature| text(feature, "/name")).collect()
    });
    let id = text(value, "/id")?;
    let facts = ProductFacts {
        name: text(value, "/name").unwrap_or_else(|| id.clone()),
        description: text(value, "/description"),
        active: flag(value, "/active"),
        is_default: text(value, "/metadata/memberd_default").as_deref() == Some("true"),
        benefits,
        id,
    };
    Some((facts, created(value)))
}

/// A price, or a plan of the time before prices.
pub fn price(value: &Value) -> Option<Price> {
    Some(Price {
        id: text(value, "/id")?,
        product_id: id_at(value, "/product").unwrap_or_default(),
        nickname: text(value, "/nickname"),
        currency: text(value, "/currency").unwrap_or_default(),
        unit_amount: first(value, &["/unit_amount", "/amount"], number),
        interval: first(value, &["/recurring/interval", "/interval"], text),
        interval_count: first(value, &["/recurring/interval_count", "/interval_count"], number),
        active: flag(value, "/active"),
        created_at: created(value),
    })
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
    let items: Vec<Item> = value
        .pointer("/items/data")
        .and_then(Value::as_array)
        .map_or_else(Vec::new, |items| items.iter().filter_map(|one| item(one, value)).collect());
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
        items: items.iter().map(item_facts).collect(),
    };
    Some(Subscription {
        customer_id: id_at(value, "/customer")?,
        collection_method: first(value, &["/collection_method", "/billing"], text),
        currency: text(value, "/currency")
            .or_else(|| items.first().map(|item| item.price.currency.clone())),
        trial_start: time(value, "/trial_start"),
        canceled_at: time(value, "/canceled_at"),
        pause_resumes_at: time(value, "/pause_collection/resumes_at"),
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

/// An invoice. One without an id is a preview and is not mirrored.
pub fn invoice(value: &Value) -> Option<Invoice> {
    let subscription =
        ["/subscription", "/parent/subscription_details/subscription"];
    let period = |which: &str| time(value, &format!("/lines/data/0/period/{which}"));
    Some(Invoice {
        id: text(value, "/id")?,
        customer_id: id_at(value, "/customer"),
        subscription_id: first(value, &subscription, id_at),
        number: text(value, "/number"),
        status: text(value, "/status"),
        collection_method: first(value, &["/collection_method", "/billing"], text),
        currency: text(value, "/currency").unwrap_or_default(),
        total: number(value, "/total").unwrap_or(0),
        amount_due: number(value, "/amount_due").unwrap_or(0),
        amount_paid: number(value, "/amount_paid").unwrap_or(0),
        amount_remaining: number(value, "/amount_remaining").unwrap_or(0),
        attempt_count: number(value, "/attempt_count").unwrap_or(0),
        due_date: time(value, "/due_date"),
        period_start: period("start").or_else(|| time(value, "/period_start")),
        period_end: period("end").or_else(|| time(value, "/period_end")),
        paid_at: time(value, "/status_transitions/paid_at"),
        hosted_invoice_url: text(value, "/hosted_invoice_url"),
        created_at: created(value),
    })
}
