//! Payments: what was charged and given back, by what means, and the pages on which it was done.

use serde_json::Value;

use super::{created, first, flag, id_at, number, text, time};
use crate::kernel::Timestamp;

/// A payment method: only what tells people which one it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentMethod {
    /// `pm_…`, or `card_…` of the time before payment methods.
    pub id: String,
    /// `cus_…`; `None` when it is attached to nobody.
    pub customer_id: Option<String>,
    /// `card`, `sepa_debit` …
    pub kind: String,
    /// The card's brand in Stripe's word, such as `visa`, or the bank's name.
    pub brand: Option<String>,
    /// The last four digits.
    pub last4: Option<String>,
    /// Month in which the card expires, 1 to 12.
    pub exp_month: Option<i64>,
    /// Year in which the card expires.
    pub exp_year: Option<i64>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// `ch_…`
    pub id: String,
    /// `cus_…`
    pub customer_id: Option<String>,
    /// `pi_…`
    pub payment_intent_id: Option<String>,
    /// `in_…`, in the API versions in which the charge says it.
    pub invoice_id: Option<String>,
    /// `pm_…`
    pub payment_method_id: Option<String>,
    /// `succeeded`, `pending` or `failed`.
    pub status: Option<String>,
    /// Currency code.
    pub currency: String,
    /// Minor units that were to be charged.
    pub amount: i64,
    /// Minor units that were charged.
    pub amount_captured: i64,
    /// Minor units given back.
    pub amount_refunded: i64,
    /// Whether it succeeded, or will once it is captured.
    pub paid: bool,
    /// Whether all of it was given back.
    pub refunded: bool,
    /// Whether it was disputed.
    pub disputed: bool,
    /// Why it failed, in Stripe's word.
    pub failure_code: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// `re_…`
    pub id: String,
    /// `ch_…`
    pub charge_id: Option<String>,
    /// `pi_…`
    pub payment_intent_id: Option<String>,
    /// `succeeded`, `pending`, `failed`, `canceled` or `requires_action`.
    pub status: Option<String>,
    /// Why, in Stripe's word.
    pub reason: Option<String>,
    /// Currency code.
    pub currency: String,
    /// Minor units.
    pub amount: i64,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A checkout session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckoutSession {
    /// `cs_…`
    pub id: String,
    /// `cus_…`
    pub customer_id: Option<String>,
    /// `payment`, `setup` or `subscription`.
    pub mode: Option<String>,
    /// `open`, `complete` or `expired`.
    pub status: Option<String>,
    /// `paid`, `unpaid` or `no_payment_required`.
    pub payment_status: Option<String>,
    /// `sub_…`
    pub subscription_id: Option<String>,
    /// `in_…`
    pub invoice_id: Option<String>,
    /// `pi_…`
    pub payment_intent_id: Option<String>,
    /// What whoever made it calls it.
    pub client_reference_id: Option<String>,
    /// Currency code.
    pub currency: Option<String>,
    /// Minor units in all.
    pub amount_total: Option<i64>,
    /// Until when it can be used.
    pub expires_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A payment method, or a card of the time before them.
pub fn payment_method(value: &Value) -> Option<PaymentMethod> {
    let kind = text(value, "/type").unwrap_or_else(|| "card".to_owned());
    // What is told of a method stands under the name of its type.
    let told = |field: &str| [format!("/{kind}/{field}"), format!("/{field}")];
    let word = |field: &str| told(field).iter().find_map(|place| text(value, place));
    let count = |field: &str| told(field).iter().find_map(|place| number(value, place));
    Some(PaymentMethod {
        id: text(value, "/id")?,
        customer_id: id_at(value, "/customer"),
        brand: word("brand").or_else(|| word("bank_name")),
        last4: word("last4"),
        exp_month: count("exp_month"),
        exp_year: count("exp_year"),
        created_at: created(value),
        kind,
    })
}

/// A charge.
pub fn charge(value: &Value) -> Option<Charge> {
    let amount = number(value, "/amount").unwrap_or(0);
    let paid = flag(value, "/paid");
    // Before amount_captured, what was captured at all was captured whole.
    let whole = if flag(value, "/captured") { amount } else { 0 };
    Some(Charge {
        id: text(value, "/id")?,
        customer_id: id_at(value, "/customer"),
        payment_intent_id: id_at(value, "/payment_intent"),
        invoice_id: id_at(value, "/invoice"),
        payment_method_id: first(value, &["/payment_method", "/source"], id_at),
        status: text(value, "/status"),
        currency: text(value, "/currency").unwrap_or_default(),
        amount,
        amount_captured: number(value, "/amount_captured").unwrap_or(whole),
        amount_refunded: number(value, "/amount_refunded").unwrap_or(0),
        paid,
        refunded: flag(value, "/refunded"),
        disputed: flag(value, "/disputed") || value.get("dispute").is_some_and(|it| !it.is_null()),
        failure_code: text(value, "/failure_code"),
        created_at: created(value),
    })
}

/// A refund.
pub fn refund(value: &Value) -> Option<Refund> {
    Some(Refund {
        id: text(value, "/id")?,
        charge_id: id_at(value, "/charge"),
        payment_intent_id: id_at(value, "/payment_intent"),
        status: text(value, "/status"),
        reason: text(value, "/reason"),
        currency: text(value, "/currency").unwrap_or_default(),
        amount: number(value, "/amount").unwrap_or(0),
        created_at: created(value),
    })
}

/// A checkout session.
pub fn checkout_session(value: &Value) -> Option<CheckoutSession> {
    Some(CheckoutSession {
        id: text(value, "/id")?,
        customer_id: id_at(value, "/customer"),
        mode: text(value, "/mode"),
        status: text(value, "/status"),
        payment_status: text(value, "/payment_status"),
        subscription_id: id_at(value, "/subscription"),
        invoice_id: id_at(value, "/invoice"),
        payment_intent_id: id_at(value, "/payment_intent"),
        client_reference_id: text(value, "/client_reference_id"),
        currency: text(value, "/currency"),
        amount_total: number(value, "/amount_total"),
        expires_at: time(value, "/expires_at"),
        created_at: created(value),
    })
}
