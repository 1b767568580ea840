//! Invoices of subscriptions: drafting, finalizing, charging, dunning.

use serde_json::{Value, json};

use super::{
    customers::{Card, card},
    objects::{self, Line, invoice_subscription},
    payments,
    subscriptions::ending,
};
use crate::account::{Account, Kind, Timer, text_of};

const DAY: i64 = 86_400;
/// After the first failure an invoice is charged again after so many days each; then the
/// subscription ends. Stripe's own schedule is learned per customer within a set window.
const RETRY_DAYS: [i64; 3] = [3, 5, 7];

/// How charging ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing is owed any more.
    Paid,
    /// The card was declined or is missing.
    Failed,
    /// Nobody tried: collection is paused, manual, or the client asked to wait.
    Waiting,
}

/// An invoice for a subscription, from draft to (where wanted) payment.
pub(crate) fn bill(
    account: &mut Account,
    subscription: &Value,
    lines: &[Line],
    reason: &str,
    collect: bool,
) -> (String, Outcome) {
    let invoice = draft(account, subscription, lines, reason);
    let id = text_of(&invoice, "id").to_owned();
    let outcome = match text_of(&subscription["pause_collection"], "behavior") {
        "keep_as_draft" => Outcome::Waiting,
        "void" => {
            let invoice = finalize(account, invoice);
            void(account, invoice);
            Outcome::Waiting
        }
        "mark_uncollectible" => {
            let invoice = finalize(account, invoice);
            mark_uncollectible(account, invoice);
            Outcome::Waiting
        }
        _ => {
            let invoice = finalize(account, invoice);
            let manual = subscription["collection_method"] == json!("send_invoice");
            if invoice["amount_due"] == json!(0) || (collect && !manual) {
                attempt(account, invoice)
            } else {
                Outcome::Waiting
            }
        }
    };
    (id, outcome)
}

fn draft(account: &mut Account, subscription: &Value, lines: &[Line], reason: &str) -> Value {
    let customer = account
        .read(Kind::Customer, text_of(subscription, "customer"))
        .unwrap_or_default();
    let id = account.ids.long("in_");
    let mut invoice = objects::invoice(&id, &customer, subscription, reason, account.now);
    let mut data = Vec::new();
    for line in lines {
        let line_id = account.ids.long("il_");
        data.push(objects::invoice_line(
            &line_id,
            &id,
            text_of(subscription, "id"),
            line,
        ));
    }
    let total: i64 = lines.iter().map(|line| line.amount).sum();
    invoice["lines"]["total_count"] = json!(data.len());
    invoice["lines"]["data"] = json!(data);
    for field in [
        "subtotal",
        "subtotal_excluding_tax",
        "total",
        "total_excluding_tax",
    ] {
        invoice[field] = json!(total);
    }
    let due = total.max(0);
    invoice["amount_due"] = json!(due);
    invoice["amount_remaining"] = json!(due);
    invoice["period_start"] = json!(lines.iter().map(|line| line.period.0).min());
    invoice["period_end"] = json!(lines.iter().map(|line| line.period.1).max());
    if subscription["pause_collection"].is_object() {
        invoice["auto_advance"] = json!(false);
    }
    account.create(Kind::Invoice, &invoice, "invoice.created");
    invoice
}

/// Numbers a draft and applies the customer's credit.
pub(crate) fn finalize(account: &mut Account, mut invoice: Value) -> Value {
    let (now, id) = (account.now, text_of(&invoice, "id").to_owned());
    let customer_id = text_of(&invoice, "customer").to_owned();
    let mut customer = account
        .read(Kind::Customer, &customer_id)
        .unwrap_or_default();
    let number = account
        .table(Kind::Invoice)
        .count_with("customer", &customer_id);
    let balance = customer["balance"].as_i64().unwrap_or(0);
    let owed = invoice["total"].as_i64().unwrap_or(0) + balance;
    let due = owed.max(0);
    let url = format!("https://invoice.example.com/{id}");
    for (field, value) in [
        ("status", json!("open")),
        (
            "number",
            json!(format!(
                "{}-{number:04}",
                text_of(&customer, "invoice_prefix")
            )),
        ),
        ("effective_at", json!(now)),
        ("starting_balance", json!(balance)),
        ("ending_balance", json!(owed.min(0))),
        ("amount_due", json!(due)),
        ("amount_remaining", json!(due)),
        ("invoice_pdf", json!(format!("{url}/pdf"))),
        ("hosted_invoice_url", json!(url)),
    ] {
        invoice[field] = value;
    }
    invoice["status_transitions"]["finalized_at"] = json!(now);
    if invoice["collection_method"] == json!("send_invoice") {
        let subscription = invoice_subscription(&invoice).unwrap_or_default();
        let subscription = account
            .read(Kind::Subscription, subscription)
            .unwrap_or_default();
        let days = subscription["days_until_due"].as_i64().unwrap_or(30);
        invoice["due_date"] = json!(now + days * DAY);
    }
    account.put(Kind::Invoice, &invoice, "invoice.finalized");
    if customer["id"].is_string() && owed.min(0) != balance {
        customer["balance"] = json!(owed.min(0));
        account.change(Kind::Customer, &customer, "customer.updated");
    }
    invoice
}

/// Charges an open invoice.
pub(crate) fn attempt(account: &mut Account, mut invoice: Value) -> Outcome {
    let due = invoice["amount_due"].as_i64().unwrap_or(0);
    if due == 0 {
        return mark_paid(account, invoice);
    }
    match card(account, text_of(&invoice, "customer")) {
        Card::Works => {
            payments::charge(account, &invoice);
            return mark_paid(account, invoice);
        }
        Card::Fails => payments::decline(account, &invoice),
        Card::Missing => {}
    }
    let attempts = invoice["attempt_count"].as_u64().unwrap_or(0) + 1;
    invoice["attempt_count"] = json!(attempts);
    invoice["attempted"] = json!(true);
    let retry = usize::try_from(attempts)
        .ok()
        .and_then(|n| RETRY_DAYS.get(n - 1));
    let first = invoice["billing_reason"] == json!("subscription_create");
    let next = retry
        .filter(|_| !first)
        .map(|days| account.now + days * DAY);
    invoice["next_payment_attempt"] = json!(next);
    if let Some(next) = next {
        account.plan(next, Timer::Retry(text_of(&invoice, "id").to_owned()));
    }
    account.change(Kind::Invoice, &invoice, "invoice.updated");
    account.emit("invoice.payment_failed", &invoice);
    set_delinquent(account, text_of(&invoice, "customer"), true);
    Outcome::Failed
}

/// Books an invoice as paid and wakes its subscription.
pub(crate) fn mark_paid(account: &mut Account, mut invoice: Value) -> Outcome {
    let due = invoice["amount_due"].clone();
    if due != json!(0) {
        invoice["attempt_count"] = json!(invoice["attempt_count"].as_u64().unwrap_or(0) + 1);
    }
    for (field, value) in [
        ("status", json!("paid")),
        ("attempted", json!(true)),
        ("auto_advance", json!(false)),
        ("amount_paid", due),
        ("amount_remaining", json!(0)),
        ("next_payment_attempt", Value::Null),
    ] {
        invoice[field] = value;
    }
    invoice["status_transitions"]["paid_at"] = json!(account.now);
    account.change(Kind::Invoice, &invoice, "invoice.updated");
    account.emit("invoice.paid", &invoice);
    account.emit("invoice.payment_succeeded", &invoice);
    set_delinquent(account, text_of(&invoice, "customer"), false);
    revive(account, &invoice);
    Outcome::Paid
}

/// Voids an open invoice.
pub(crate) fn void(account: &mut Account, mut invoice: Value) {
    invoice["status"] = json!("void");
    invoice["auto_advance"] = json!(false);
    invoice["next_payment_attempt"] = Value::Null;
    invoice["status_transitions"]["voided_at"] = json!(account.now);
    account.change(Kind::Invoice, &invoice, "invoice.updated");
    account.emit("invoice.voided", &invoice);
}

fn mark_uncollectible(account: &mut Account, mut invoice: Value) {
    invoice["status"] = json!("uncollectible");
    invoice["auto_advance"] = json!(false);
    invoice["status_transitions"]["marked_uncollectible_at"] = json!(account.now);
    account.change(Kind::Invoice, &invoice, "invoice.updated");
    account.emit("invoice.marked_uncollectible", &invoice);
}

/// A subscription that waited for this money becomes active, unless it still owes another invoice.
fn revive(account: &mut Account, invoice: &Value) {
    let Some(id) = invoice_subscription(invoice) else {
        return;
    };
    let Some(mut subscription) = account.read(Kind::Subscription, id) else {
        return;
    };
    if !["incomplete", "past_due", "unpaid"].contains(&text_of(&subscription, "status")) {
        return;
    }
    if open_invoices(account, id).next().is_none() {
        subscription["status"] = json!("active");
        // The first invoice is known to the subscription only now.
        subscription["latest_invoice"] = latest_invoice(account, id);
        account.change(
            Kind::Subscription,
            &subscription,
            "customer.subscription.updated",
        );
    }
}

/// The newest invoice of a subscription.
fn latest_invoice(account: &Account, subscription: &str) -> Value {
    json!(
        account
            .table(Kind::Invoice)
            .ids_with("subscription", subscription)
            .pop()
    )
}

/// The invoices of a subscription that are still open.
pub(crate) fn open_invoices<'a>(
    account: &'a Account,
    subscription: &str,
) -> impl Iterator<Item = Value> + 'a {
    let ids = account
        .table(Kind::Invoice)
        .ids_with("subscription", subscription);
    ids.into_iter()
        .filter_map(|id| account.read(Kind::Invoice, &id))
        .filter(|invoice| invoice["status"] == json!("open"))
}

/// Charges an open invoice again; after the last failure its subscription ends.
pub(crate) fn retry(account: &mut Account, id: &str, due: i64) {
    let Some(invoice) = account.read(Kind::Invoice, id) else {
        return;
    };
    if invoice["status"] != json!("open") || invoice["next_payment_attempt"] != json!(due) {
        return;
    }
    let subscription = invoice_subscription(&invoice).map(str::to_owned);
    if attempt(account, invoice) == Outcome::Paid {
        return;
    }
    let last = account
        .read(Kind::Invoice, id)
        .is_none_or(|invoice| invoice["next_payment_attempt"].is_null());
    if last
        && let Some(subscription) =
            subscription.and_then(|id| account.read(Kind::Subscription, &id))
        && !ending::is_over(&subscription)
    {
        ending::end(account, subscription, "payment_failed");
    }
}

fn set_delinquent(account: &mut Account, customer: &str, delinquent: bool) {
    if let Ok(mut customer) = account.live(Kind::Customer, customer, "id") {
        customer["delinquent"] = json!(delinquent);
        account.change(Kind::Customer, &customer, "customer.updated");
    }
}
