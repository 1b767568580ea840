//! How subscriptions end.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    account::{Account, Kind, text_of},
    stripe::{billing, error::ApiError, params::Params},
};

/// Whether a subscription is in a final state.
pub(crate) fn is_over(subscription: &Value) -> bool {
    ["canceled", "incomplete_expired"].contains(&text_of(subscription, "status"))
}

/// `DELETE /v1/subscriptions/{id}`: ends at once.
pub(crate) fn cancel(
    account: &mut Account,
    id: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    params.only(&["cancellation_details", "invoice_now", "prorate"])?;
    let mut subscription = account.live(Kind::Subscription, id, "id")?;
    if is_over(&subscription) {
        return Err(ApiError::no_such(404, "subscription", id, "id"));
    }
    note_details(&mut subscription, params)?;
    end(account, subscription, "cancellation_requested");
    account.answer(Kind::Subscription, id)
}

/// Copies the member's comment and feedback.
pub(crate) fn note_details(subscription: &mut Value, params: &Params) -> Result<(), ApiError> {
    if let Some(details) = params.group("cancellation_details")? {
        details.only(&["comment", "feedback"])?;
        details.copy_texts(
            &mut subscription["cancellation_details"],
            &["comment", "feedback"],
        )?;
    }
    Ok(())
}

/// Ends a subscription now; its open invoices are not charged again.
pub(crate) fn end(account: &mut Account, mut subscription: Value, reason: &str) {
    let id = text_of(&subscription, "id").to_owned();
    let open: Vec<Value> = billing::open_invoices(account, &id).collect();
    for mut invoice in open {
        invoice["auto_advance"] = json!(false);
        invoice["next_payment_attempt"] = Value::Null;
        account.change(Kind::Invoice, &invoice, "invoice.updated");
    }
    subscription["status"] = json!("canceled");
    subscription["ended_at"] = json!(account.now);
    if subscription["canceled_at"].is_null() {
        subscription["canceled_at"] = json!(account.now);
    }
    subscription["cancellation_details"]["reason"] = json!(reason);
    account.put(
        Kind::Subscription,
        &subscription,
        "customer.subscription.deleted",
    );
}

/// Gives up on a first payment that never came.
pub(crate) fn expire(account: &mut Account, id: &str) {
    let Some(mut subscription) = account.read(Kind::Subscription, id) else {
        return;
    };
    if subscription["status"] != json!("incomplete") {
        return;
    }
    let open: Vec<Value> = billing::open_invoices(account, id).collect();
    for invoice in open {
        billing::void(account, invoice);
    }
    subscription["status"] = json!("incomplete_expired");
    subscription["ended_at"] = json!(account.now);
    account.change(
        Kind::Subscription,
        &subscription,
        "customer.subscription.updated",
    );
}
