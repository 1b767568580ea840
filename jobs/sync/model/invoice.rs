//! Invoices, and which payments paid them.

use serde_json::Value;

use super::{basis_points, created, customer::card_at, first, flag, id_at, list, number, sum, text, time};
use crate::kernel::Timestamp;

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
    /// Why it was made, such as `subscription_cycle`.
    pub billing_reason: Option<String>,
    /// Minor units before discounts and tax.
    pub subtotal: i64,
    /// Minor units of tax in all.
    pub tax: i64,
    /// The rate of its tax in hundredths of a percent, where it has one for the whole.
    pub tax_percent_bps: Option<i64>,
    /// Minor units that discounts took off.
    pub discount: i64,
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
    /// Its document at Stripe.
    pub invoice_pdf: Option<String>,
    /// The price that it bills the most for.
    pub price_id: Option<String>,
    /// That price's product.
    pub product_id: Option<String>,
    /// `pm_…`: what pays it; `None` leaves it to the subscription's.
    pub payment_method_id: Option<String>,
    /// `pi_…`, in the API versions in which the invoice says it.
    pub payment_intent_id: Option<String>,
    /// `ch_…`, in the API versions in which the invoice says it.
    pub charge_id: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
}

impl Invoice {
    /// When the payment was due that a subscription still waits for; `None` when it waits for none. What an invoice of a
    /// late subscription says about access; `store/facts.rs` reads the same of all.
    pub fn unpaid_since(&self) -> Option<Timestamp> {
        let waits = self.status.as_deref() == Some("open") && self.amount_remaining > 0;
        self.subscription_id.as_ref().filter(|_| waits).map(|_| self.due_date.unwrap_or(self.created_at))
    }
}

/// An invoice. One without an id is a preview and is not mirrored.
pub fn invoice(value: &Value) -> Option<Invoice> {
    let subscription =
        ["/subscription", "/parent/subscription_details/subscription"];
    let period = |which: &str| time(value, &format!("/lines/data/0/period/{which}"));
    let billed = main_line(value);
    Some(Invoice {
        id: text(value, "/id")?,
        customer_id: id_at(value, "/customer"),
        subscription_id: first(value, &subscription, id_at),
        number: text(value, "/number"),
        status: text(value, "/status"),
        collection_method: first(value, &["/collection_method", "/billing"], text),
        currency: text(value, "/currency").unwrap_or_default(),
        billing_reason: text(value, "/billing_reason"),
        subtotal: number(value, "/subtotal").unwrap_or(0),
        tax: tax(value),
        tax_percent_bps: first(value, &["/tax_percent", "/default_tax_rates/0/percentage"], basis_points),
        discount: sum(value, "/total_discount_amounts", "/amount").unwrap_or(0),
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
        invoice_pdf: text(value, "/invoice_pdf"),
        price_id: billed.and_then(|line| first(line, &LINE_PRICE, id_at)),
        product_id: billed.and_then(|line| first(line, &LINE_PRODUCT, id_at)),
        payment_method_id: id_at(value, "/default_payment_method")
            .or_else(|| card_at(value, "/default_source")),
        payment_intent_id: id_at(value, "/payment_intent"),
        charge_id: id_at(value, "/charge"),
        created_at: created(value),
    })
}

/// Where a line names its price, and where that price's product.
const LINE_PRICE: [&str; 3] = ["/pricing/price_details/price", "/price", "/plan"];
const LINE_PRODUCT: [&str; 3] = ["/pricing/price_details/product", "/price/product", "/plan/product"];

/// The line with the largest amount: what the invoice is for, beside credits and small things.
fn main_line(value: &Value) -> Option<&Value> {
    let lines = list(value, "/lines").iter().rev();
    lines.max_by_key(|line| number(line, "/amount").unwrap_or(i64::MIN))
}

fn tax(value: &Value) -> i64 {
    let sums = ["/total_taxes", "/total_tax_amounts"];
    let summed = sums.iter().find_map(|array| sum(value, array, "/amount"));
    number(value, "/tax").or(summed).unwrap_or(0)
}

/// A payment of an invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvoicePayment {
    /// `inpay_…`
    pub id: String,
    /// `in_…`
    pub invoice_id: String,
    /// `pi_…`
    pub payment_intent_id: Option<String>,
    /// `ch_…`
    pub charge_id: Option<String>,
    /// `open`, `paid` or `canceled`.
    pub status: Option<String>,
    /// Currency code.
    pub currency: String,
    /// Minor units that were to be paid.
    pub amount_requested: i64,
    /// Minor units that were paid.
    pub amount_paid: Option<i64>,
    /// Whether it is the one that Stripe keeps equal to what is due.
    pub is_default: bool,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A payment of an invoice.
pub fn invoice_payment(value: &Value) -> Option<InvoicePayment> {
    Some(InvoicePayment {
        id: text(value, "/id")?,
        invoice_id: id_at(value, "/invoice")?,
        payment_intent_id: id_at(value, "/payment/payment_intent"),
        charge_id: id_at(value, "/payment/charge"),
        status: text(value, "/status"),
        currency: text(value, "/currency").unwrap_or_default(),
        amount_requested: number(value, "/amount_requested").unwrap_or(0),
        amount_paid: number(value, "/amount_paid"),
        is_default: flag(value, "/is_default"),
        paid_at: time(value, "/status_transitions/paid_at"),
        created_at: created(value),
    })
}
