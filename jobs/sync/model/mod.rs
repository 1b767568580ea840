//! Reading Stripe's JSON, tolerantly: every field in its old and its new place, nothing required that we can do
//! without. Unknown fields and words stay in the raw object; they are never an error. Pure.
//!
//! Places that moved, most with API version 2025-03-31: the period went from the subscription to its items, the
//! invoice's subscription into `parent.subscription_details`, its payment into objects of their own, its tax and
//! discount into sums, a line's price into `pricing`, a discount's coupon into `source`, a promotion code's into
//! `promotion`.

mod account;
mod catalog;
mod customer;
mod discount;
mod invoice;
mod kept;
mod payment;
mod schedule;
mod subscription;

pub use account::{Account, account};
pub use catalog::{Price, price, product};
pub use customer::{Customer, customer};
pub use discount::{Coupon, PromotionCode, coupon, promotion_code};
pub use invoice::{Invoice, InvoicePayment, invoice, invoice_payment};
pub use kept::{kept, kept_event, kept_text};
pub use payment::{
    Charge, CheckoutSession, PaymentMethod, Refund, charge, checkout_session, payment_method, refund,
};
pub use schedule::{Schedule, schedule};
pub use subscription::{Item, Subscription, subscription};

use serde_json::Value;

use crate::kernel::Timestamp;

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
    /// Type and id of the object it is about, by the name under which it is mirrored.
    pub object: Option<(String, String)>,
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
    let id = if found.is_object() { text(found, "/id") } else { text(value, pointer) };
    id.filter(|id| !id.is_empty())
}

/// The entries of an array, or of what Stripe calls a list.
fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    let found = value.pointer(pointer);
    let entries = found.and_then(|found| found.as_array().or_else(|| found.get("data")?.as_array()));
    entries.map_or(&[], Vec::as_slice)
}

/// A percentage in hundredths of a percent; what is finer is cut off.
fn basis_points(value: &Value, pointer: &str) -> Option<i64> {
    let text = match value.pointer(pointer)? {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let hundredths: String = fraction.chars().chain("00".chars()).take(2).collect();
    whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(hundredths.parse().ok()?)
}

/// The sum of a number over entries; `None` where there is no such array.
fn sum(value: &Value, array: &str, pointer: &str) -> Option<i64> {
    let entries = value.pointer(array)?.as_array()?;
    Some(entries.iter().filter_map(|entry| number(entry, pointer)).fold(0, i64::saturating_add))
}

fn first<T>(value: &Value, pointers: &[&str], read: fn(&Value, &str) -> Option<T>) -> Option<T> {
    pointers.iter().find_map(|pointer| read(value, pointer))
}

fn created(value: &Value) -> Timestamp {
    time(value, "/created").unwrap_or_default()
}

/// The type under which an object is mirrored. A plan is a price, and a card of the time before payment methods is a
/// payment method: Stripe answers for both under the newer type and the same id.
fn mirrored_as(object: &str) -> &str {
    match object {
        "plan" => "price",
        "card" => "payment_method",
        other => other,
    }
}

/// An event's envelope; also that of a thin event, which names its object in `related_object`.
/// `None` when it is not an event at all.
pub fn event(value: &Value) -> Option<EventFacts> {
    let object = text(value, "/data/object/object")
        .zip(text(value, "/data/object/id"))
        .or_else(|| text(value, "/related_object/type").zip(text(value, "/related_object/id")))
        .map(|(kind, id)| (mirrored_as(&kind).to_owned(), id));
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

