//! What of an object is stored at all.
//!
//! Most objects are kept as Stripe answered them. Four types carry what memberd must not hold (billing addresses, what
//! buyers typed, fingerprints of cards, secrets of unfinished payments, papers of owners) beside the little that it
//! needs. Of these a list says what is kept, and everything else is dropped before anything is written, so that a field
//! that Stripe invents tomorrow is not kept by mistake.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::kernel::ports::ObjectType;

/// Kept of objects that are not mirrored: what they are.
const NAMED: &[&str] = &[];

/// Kept of each object of which not all is kept.
const COMMON: [&str; 6] = ["id", "object", "created", "livemode", "deleted", "missing"];

/// What tells people which method it is; the second word is a field of the first.
const PAYMENT_METHOD: &[&str] = &[
    "type", "customer", "brand", "last4", "exp_month", "exp_year", "card.brand", "card.last4", "card.exp_month",
    "card.exp_year", "sepa_debit.last4", "us_bank_account.last4", "us_bank_account.bank_name", "bacs_debit.last4",
    "au_becs_debit.last4", "acss_debit.last4", "acss_debit.bank_name",
];

const CHARGE: &[&str] = &[
    "amount", "amount_captured", "amount_refunded", "application_fee", "application_fee_amount",
    "balance_transaction", "captured", "currency", "customer", "destination", "dispute", "disputed", "failure_code",
    "invoice", "metadata", "on_behalf_of", "paid", "payment_intent", "payment_method", "refunded", "source.id",
    "source_transfer", "status", "transfer", "transfer_data", "transfer_group", "outcome.type", "outcome.reason",
    "payment_method_details.type",
];

const CHECKOUT_SESSION: &[&str] = &[
    "amount_subtotal", "amount_total", "client_reference_id", "currency", "customer", "expires_at", "invoice",
    "metadata", "mode", "payment_intent", "payment_link", "payment_status", "status", "subscription",
    "total_details.amount_discount", "total_details.amount_tax",
];

const ACCOUNT: &[&str] = &[
    "business_type", "capabilities", "charges_enabled", "controller", "country", "default_currency",
    "details_submitted", "metadata", "payouts_enabled", "requirements.currently_due", "requirements.current_deadline",
    "requirements.disabled_reason", "requirements.eventually_due", "requirements.past_due",
    "requirements.pending_verification", "settings.payouts", "type",
];

/// The fields of a type that are kept; `None` keeps all.
const fn fields(kind: ObjectType) -> Option<&'static [&'static str]> {
    match kind {
        ObjectType::PaymentMethod => Some(PAYMENT_METHOD),
        ObjectType::Charge => Some(CHARGE),
        ObjectType::CheckoutSession => Some(CHECKOUT_SESSION),
        ObjectType::Account => Some(ACCOUNT),
        _ => None,
    }
}

/// The object with what is kept of it.
pub fn kept(kind: ObjectType, value: &Value) -> Cow<'_, Value> {
    fields(kind).map_or(Cow::Borrowed(value), |fields| Cow::Owned(only(fields, value)))
}

fn only(fields: &[&str], value: &Value) -> Value {
    let mut left = Map::new();
    for field in COMMON.iter().chain(fields) {
        let (outer, inner) = field.split_once('.').unwrap_or((field, ""));
        let Some(found) = value.get(outer) else { continue };
        if inner.is_empty() {
            left.insert(outer.to_owned(), found.clone());
        } else if let Some(found) = found.get(inner) {
            let group = left.entry(outer.to_owned()).or_insert_with(|| Value::Object(Map::new()));
            group[inner] = found.clone();
        }
    }
    Value::Object(left)
}

/// The text of an object with what is kept of it: the same bytes where all is kept.
pub fn kept_text(kind: ObjectType, raw: &str) -> Cow<'_, str> {
    if fields(kind).is_none() {
        return Cow::Borrowed(raw);
    }
    let value: Value = serde_json::from_str(raw).unwrap_or_default();
    Cow::Owned(kept(kind, &value).to_string())
}

/// The text of an event with what is kept of it: of an object that is not mirrored only what it is, because nobody here
/// will read more of it, and because it can hold secrets (a payment intent does).
pub fn kept_event<'a>(value: &Value, body: &'a str) -> Cow<'a, str> {
    let Some(object) = value.pointer("/data/object") else { return Cow::Borrowed(body) };
    let word = object.get("object").and_then(Value::as_str).unwrap_or_default();
    let fields = match ObjectType::parse(super::mirrored_as(word)) {
        Some(kind) => match fields(kind) {
            Some(fields) => fields,
            None => return Cow::Borrowed(body),
        },
        None => NAMED,
    };
    let mut event = value.clone();
    for part in ["object", "previous_attributes"] {
        if let Some(part) = event.get_mut("data").and_then(|data| data.get_mut(part)) {
            *part = only(fields, part);
        }
    }
    Cow::Owned(event.to_string())
}
