//! `/v1/subscriptions`: creating, reading, listing. Changes are in [`update`], ends in [`ending`],
//! what happens by itself in [`cycle`].

pub(crate) mod cycle;
pub(crate) mod ending;
pub(crate) mod items;
pub(crate) mod update;

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    billing::{self, Outcome},
    customers::{Card, card},
    error::ApiError,
    lists::{self, PAGING},
    objects,
    params::Params,
};
use crate::{
    account::{Account, Kind, Timer, text_of},
    table::Filter,
};

const DAY: i64 = 86_400;
/// How long a first payment may be missing.
const FIRST_PAYMENT: i64 = 23 * 3_600;
/// How long before the end of a trial it is announced.
pub(crate) const TRIAL_NOTICE: i64 = 3 * DAY;
/// Stripe's longest trial.
const MAX_TRIAL_DAYS: i64 = 730;
/// Parameters that creating and updating share.
pub(crate) const SHARED: [&str; 18] = [
    "automatic_tax",
    "cancel_at",
    "cancel_at_period_end",
    "collection_method",
    "days_until_due",
    "default_payment_method",
    "default_source",
    "default_tax_rates",
    "description",
    "items",
    "metadata",
    "off_session",
    "payment_behavior",
    "payment_settings",
    "proration_behavior",
    "trial_end",
    "trial_from_plan",
    "trial_settings",
];

/// `POST /v1/subscriptions`
pub(crate) fn create(
    account: &mut Account,
    _: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    params.only(&[&SHARED[..], &["currency", "customer", "trial_period_days"]].concat())?;
    let customer = params.required("customer")?.to_owned();
    account.live(Kind::Customer, &customer, "customer")?;
    let id = account.ids.long("sub_");
    let mut subscription = objects::subscription(&id, &customer, account.now);
    items::apply(account, &mut subscription, params)?;
    copy_settings(&mut subscription, params)?;
    begin(account, &mut subscription, params)?;
    update::set_cancellation(&mut subscription, params, account.now)?;
    let behavior = params
        .text("payment_behavior")?
        .unwrap_or("allow_incomplete")
        .to_owned();
    let trialing = subscription["status"] == json!("trialing");
    if behavior == "error_if_incomplete" && !trialing && card(account, &customer) != Card::Works {
        return Err(ApiError::declined());
    }
    account.create(
        Kind::Subscription,
        &subscription,
        "customer.subscription.created",
    );
    set_currency(account, &customer, &subscription["currency"]);
    plan_timers(account, &Value::Null, &subscription);
    let collect = behavior != "default_incomplete";
    first_invoice(account, subscription, collect);
    account.answer(Kind::Subscription, &id)
}

/// Sets the trial, or the first period.
fn begin(account: &Account, subscription: &mut Value, params: &Params) -> Result<(), ApiError> {
    let now = account.now;
    let end = if let Some(end) = trial_end(params, now)? {
        subscription["status"] = json!("trialing");
        subscription["trial_start"] = json!(now);
        subscription["trial_end"] = json!(end);
        subscription["billing_cycle_anchor"] = json!(end);
        end
    } else {
        items::interval(subscription).next(now, now)
    };
    items::set_period(subscription, now, end);
    Ok(())
}

/// The end of the trial that a request asks for.
pub(crate) fn trial_end(params: &Params, now: i64) -> Result<Option<i64>, ApiError> {
    if let Some(days) = params.integer("trial_period_days")? {
        if !(0..=MAX_TRIAL_DAYS).contains(&days) {
            let message = format!("trial_period_days must be between 0 and {MAX_TRIAL_DAYS}");
            return Err(ApiError::invalid("trial_period_days", message));
        }
        return Ok((days > 0).then(|| now + days * DAY));
    }
    if params.text("trial_end")? == Some("now") {
        return Ok(None);
    }
    match params.integer("trial_end")? {
        Some(end) if end <= now || end > now + MAX_TRIAL_DAYS * DAY => Err(ApiError::invalid(
            "trial_end",
            format!("trial_end must lie in the future, at most {MAX_TRIAL_DAYS} days away"),
        )),
        end => Ok(end),
    }
}

/// Copies what has no effect on money.
pub(crate) fn copy_settings(subscription: &mut Value, params: &Params) -> Result<(), ApiError> {
    params.one_of(
        "payment_behavior",
        &[
            "allow_incomplete",
            "default_incomplete",
            "error_if_incomplete",
            "pending_if_incomplete",
        ],
    )?;
    params.one_of(
        "proration_behavior",
        &["always_invoice", "create_prorations", "none"],
    )?;
    params.copy_texts(
        subscription,
        &["default_payment_method", "default_source", "description"],
    )?;
    params.copy_groups(subscription, &["payment_settings", "trial_settings"])?;
    params.merge_metadata(subscription)?;
    let methods = ["charge_automatically", "send_invoice"];
    if let Some(method) = params.one_of("collection_method", &methods)? {
        subscription["collection_method"] = json!(method);
    }
    if let Some(days) = params.integer("days_until_due")? {
        subscription["days_until_due"] = json!(days);
    }
    let manual = subscription["collection_method"] == json!("send_invoice");
    if manual && subscription["days_until_due"].is_null() {
        return Err(ApiError::missing("days_until_due"));
    }
    Ok(())
}

/// The customer's currency is fixed by its first subscription.
fn set_currency(account: &mut Account, customer: &str, currency: &Value) {
    if let Some(mut customer) = account.read(Kind::Customer, customer)
        && customer["currency"].is_null()
    {
        customer["currency"] = currency.clone();
        account.change(Kind::Customer, &customer, "customer.updated");
    }
}

/// Sets the timers of a new subscription, or (with `before`) those that a change needs.
pub(crate) fn plan_timers(account: &mut Account, before: &Value, subscription: &Value) {
    let id = text_of(subscription, "id");
    if let Some(end) = cycle::boundary(subscription)
        && cycle::boundary(before) != Some(end)
    {
        account.plan(end, Timer::Period(id.to_owned()));
    }
    if subscription["status"] == json!("trialing")
        && let Some(end) = subscription["trial_end"].as_i64()
        && before["trial_end"] != subscription["trial_end"]
    {
        let notice = (end - TRIAL_NOTICE).max(account.now);
        account.plan(notice, Timer::TrialWillEnd(id.to_owned()));
    }
    if let Some(at) = subscription["cancel_at"].as_i64()
        && subscription["cancel_at_period_end"] == json!(false)
    {
        account.plan(at, Timer::CancelAt(id.to_owned()));
    }
}

fn first_invoice(account: &mut Account, subscription: Value, collect: bool) {
    let id = text_of(&subscription, "id").to_owned();
    let lines = items::lines(&subscription);
    let (invoice, outcome) = billing::bill(
        account,
        &subscription,
        &lines,
        "subscription_create",
        collect,
    );
    // A paid invoice has already made the subscription active.
    let mut subscription = account
        .read(Kind::Subscription, &id)
        .unwrap_or(subscription);
    subscription["latest_invoice"] = json!(invoice);
    if subscription["status"] == json!("incomplete") {
        if subscription["collection_method"] == json!("send_invoice") {
            subscription["status"] = json!("active");
        } else if outcome != Outcome::Paid {
            account.plan(account.now + FIRST_PAYMENT, Timer::Expire(id));
        }
    }
    account.change(
        Kind::Subscription,
        &subscription,
        "customer.subscription.updated",
    );
}

/// `GET /v1/subscriptions/{id}`
pub(crate) fn retrieve(
    account: &mut Account,
    id: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    params.only(&[])?;
    account.answer(Kind::Subscription, id)
}

/// `GET /v1/subscriptions`; without `status` the ended ones are left out.
pub(crate) fn list(account: &mut Account, _: &str, params: &Params) -> Result<Arc<str>, ApiError> {
    let fields = ["collection_method", "customer", "price"];
    params.only(&[&PAGING[..], &fields, &["created", "status"]].concat())?;
    let mut filters = lists::equal(params, &fields)?;
    let ended = ["canceled", "incomplete_expired"]
        .map(str::to_owned)
        .to_vec();
    match params.text("status")? {
        None => filters.push(Filter::NoneOf("status", ended)),
        Some("all") => {}
        Some("ended") => filters.push(Filter::AnyOf("status", ended)),
        Some(status) => filters.push(Filter::Is("status", status.to_owned())),
    }
    lists::page(
        account,
        Kind::Subscription,
        "/v1/subscriptions",
        params,
        filters,
    )
}
