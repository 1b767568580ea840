//! What subscriptions do by themselves when their time comes.

use serde_json::{Value, json};

use super::{TRIAL_NOTICE, ending, items};
use crate::{
    account::{Account, Kind, Timer, text_of},
    stripe::{
        billing::{self, Outcome},
        checkout,
        customers::{Card, card},
    },
};

/// The second at which the running trial or period ends.
pub(crate) fn boundary(subscription: &Value) -> Option<i64> {
    if subscription["status"] == json!("trialing") {
        return subscription["trial_end"].as_i64();
    }
    subscription["items"]["data"][0]["current_period_end"].as_i64()
}

/// Does what a timer was set for. Timers are never removed; one that no longer fits the object is
/// passed over.
pub(crate) fn fire(account: &mut Account, timer: Timer, due: i64) {
    match timer {
        Timer::Period(id) => period(account, &id, due),
        Timer::Retry(id) => billing::retry(account, &id, due),
        Timer::Expire(id) => ending::expire(account, &id),
        Timer::ExpireCheckout(id) => checkout::run_out(account, &id),
        Timer::TrialWillEnd(id) => {
            if let Some(subscription) = running(account, &id)
                && subscription["status"] == json!("trialing")
                // A trial that was made longer is announced later.
                && subscription["trial_end"].as_i64().is_some_and(|end| end - TRIAL_NOTICE <= due)
            {
                account.emit("customer.subscription.trial_will_end", &subscription);
            }
        }
        Timer::CancelAt(id) => {
            if let Some(subscription) = running(account, &id)
                && subscription["cancel_at"] == json!(due)
            {
                ending::end(account, subscription, "cancellation_requested");
            }
        }
        Timer::Resume(id) => {
            if let Some(mut subscription) = running(account, &id)
                && subscription["pause_collection"]["resumes_at"] == json!(due)
            {
                subscription["pause_collection"] = Value::Null;
                account.change(
                    Kind::Subscription,
                    &subscription,
                    "customer.subscription.updated",
                );
            }
        }
    }
}

fn running(account: &Account, id: &str) -> Option<Value> {
    account
        .read(Kind::Subscription, id)
        .filter(|subscription| !ending::is_over(subscription))
}

fn period(account: &mut Account, id: &str, due: i64) {
    let Some(subscription) = running(account, id) else {
        return;
    };
    let status = text_of(&subscription, "status");
    if boundary(&subscription) != Some(due) || ["incomplete", "paused"].contains(&status) {
        return;
    }
    if subscription["cancel_at_period_end"] == json!(true) {
        ending::end(account, subscription, "cancellation_requested");
    } else if status == "trialing" {
        end_trial(account, subscription);
    } else {
        renew(account, subscription);
    }
}

/// The trial is over: the first period that costs money begins, unless there is nobody to charge.
pub(crate) fn end_trial(account: &mut Account, mut subscription: Value) {
    let action = text_of(
        &subscription["trial_settings"]["end_behavior"],
        "missing_payment_method",
    );
    if card(account, text_of(&subscription, "customer")) == Card::Missing {
        if action == "pause" {
            subscription["status"] = json!("paused");
            account.put(
                Kind::Subscription,
                &subscription,
                "customer.subscription.paused",
            );
            return;
        }
        if action == "cancel" {
            ending::end(account, subscription, "cancellation_requested");
            return;
        }
    }
    subscription["status"] = json!("active");
    subscription["trial_end"] = json!(account.now);
    subscription["billing_cycle_anchor"] = json!(account.now);
    renew(account, subscription);
}

/// Begins the next period with an invoice.
pub(crate) fn renew(account: &mut Account, mut subscription: Value) {
    let anchor = subscription["billing_cycle_anchor"]
        .as_i64()
        .unwrap_or(account.now);
    let end = items::interval(&subscription).next(anchor, account.now);
    items::set_period(&mut subscription, account.now, end);
    charge(account, subscription, "subscription_cycle");
}

/// Stores the subscription, bills its items in full and follows the outcome.
pub(crate) fn charge(account: &mut Account, mut subscription: Value, reason: &str) {
    let id = text_of(&subscription, "id").to_owned();
    if let Some(end) = boundary(&subscription) {
        account.plan(end, Timer::Period(id.clone()));
    }
    account.change(
        Kind::Subscription,
        &subscription,
        "customer.subscription.updated",
    );
    let lines = items::lines(&subscription);
    let (invoice, outcome) = billing::bill(account, &subscription, &lines, reason, true);
    if let Some(current) = account.read(Kind::Subscription, &id) {
        subscription = current;
    }
    subscription["latest_invoice"] = json!(invoice);
    if outcome == Outcome::Failed {
        subscription["status"] = json!("past_due");
    }
    account.change(
        Kind::Subscription,
        &subscription,
        "customer.subscription.updated",
    );
}
