//! `POST /v1/subscriptions/{id}` and `…/resume`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{SHARED, copy_settings, cycle, ending, items, plan_timers, trial_end};
use crate::{
    account::{Account, Kind, Timer, text_of},
    stripe::{billing, error::ApiError, objects::Line, params::Params},
};

/// `POST /v1/subscriptions/{id}`
///
/// Money: a change of the interval is billed at once in full, with credit for unused time;
/// `proration_behavior=always_invoice` bills the difference for the rest of the period; with the
/// default the new price counts from the next period (real Stripe would add the difference there).
pub(crate) fn update(
    account: &mut Account,
    id: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    params.only(
        &[
            &SHARED[..],
            &[
                "billing_cycle_anchor",
                "cancellation_details",
                "pause_collection",
            ],
        ]
        .concat(),
    )?;
    let before = account.live(Kind::Subscription, id, "id")?;
    let mut subscription = before.clone();
    if ending::is_over(&before) {
        // As Stripe: a closed subscription only takes notes.
        params.only(&["cancellation_details", "metadata"])?;
    }
    copy_settings(&mut subscription, params)?;
    ending::note_details(&mut subscription, params)?;
    if params.has("items") {
        items::apply(account, &mut subscription, params)?;
    }
    set_cancellation(&mut subscription, params, account.now)?;
    set_pause(account, &mut subscription, params)?;
    if move_trial(account, &mut subscription, params)? {
        cycle::end_trial(account, subscription);
    } else {
        follow(account, &before, subscription, params)?;
    }
    account.answer(Kind::Subscription, id)
}

/// Stores the change and bills what it costs.
fn follow(
    account: &mut Account,
    before: &Value,
    mut subscription: Value,
    params: &Params,
) -> Result<(), ApiError> {
    let billable = ["active", "past_due"].contains(&text_of(&subscription, "status"));
    if billable && items::interval(before) != items::interval(&subscription) {
        let (now, credit) = (account.now, credit_lines(account, before, params)?);
        subscription["billing_cycle_anchor"] = json!(now);
        let end = items::interval(&subscription).next(now, now);
        items::set_period(&mut subscription, now, end);
        account.plan(end, Timer::Period(text_of(&subscription, "id").to_owned()));
        account.change(
            Kind::Subscription,
            &subscription,
            "customer.subscription.updated",
        );
        let lines = [credit, items::lines(&subscription)].concat();
        settle(account, &subscription, &lines);
        return Ok(());
    }
    let changed = account.change(
        Kind::Subscription,
        &subscription,
        "customer.subscription.updated",
    );
    if changed {
        plan_timers(account, before, &subscription);
    }
    let at_once = params.text("proration_behavior")? == Some("always_invoice");
    if billable && at_once && items::of(before) != items::of(&subscription) {
        let credit = credit_lines(account, before, params)?;
        let rest = rest_lines(account, &subscription, 1);
        settle(account, &subscription, &[credit, rest].concat());
    }
    Ok(())
}

fn settle(account: &mut Account, subscription: &Value, lines: &[Line]) {
    let (invoice, outcome) =
        billing::bill(account, subscription, lines, "subscription_update", true);
    let id = text_of(subscription, "id");
    let mut subscription = account.read(Kind::Subscription, id).unwrap_or_default();
    subscription["latest_invoice"] = json!(invoice);
    if outcome == billing::Outcome::Failed {
        subscription["status"] = json!("past_due");
    }
    account.change(
        Kind::Subscription,
        &subscription,
        "customer.subscription.updated",
    );
}

/// Credit for the unused rest of the old items' period.
fn credit_lines(account: &Account, before: &Value, params: &Params) -> Result<Vec<Line>, ApiError> {
    if params.text("proration_behavior")? == Some("none") {
        return Ok(Vec::new());
    }
    Ok(rest_lines(account, before, -1))
}

/// The share of each item for the rest of its period, to the second, rounded towards zero.
fn rest_lines(account: &Account, subscription: &Value, sign: i64) -> Vec<Line> {
    let rest = |item: &Value| {
        let mut line = items::line(item, 0, true);
        let (start, end) = line.period;
        let share = i128::from(items::amount(item)) * i128::from((end - account.now).max(0));
        let amount = share / i128::from((end - start).max(1));
        line.amount = sign * i64::try_from(amount).unwrap_or(i64::MAX);
        line.period.0 = account.now;
        line
    };
    items::of(subscription).iter().map(rest).collect()
}

/// `cancel_at_period_end` and `cancel_at`.
pub(crate) fn set_cancellation(
    subscription: &mut Value,
    params: &Params,
    now: i64,
) -> Result<(), ApiError> {
    let at_end = params.boolean("cancel_at_period_end")?;
    let at = params.integer("cancel_at")?;
    if at_end == Some(true) && at.is_some() {
        return Err(ApiError::invalid(
            "cancel_at",
            "give cancel_at or cancel_at_period_end, not both",
        ));
    }
    if let Some(at) = at.filter(|at| *at <= now) {
        return Err(ApiError::invalid(
            "cancel_at",
            format!("cancel_at {at} must lie in the future"),
        ));
    }
    let ends = if at_end == Some(true) {
        cycle::boundary(subscription)
    } else {
        at
    };
    if let Some(ends) = ends {
        let already = subscription["cancel_at"] == json!(ends);
        subscription["cancel_at"] = json!(ends);
        subscription["cancel_at_period_end"] = json!(at_end == Some(true));
        if !already {
            subscription["canceled_at"] = json!(now);
        }
        subscription["cancellation_details"]["reason"] = json!("cancellation_requested");
    } else if at_end == Some(false) || params.clears("cancel_at") {
        subscription["cancel_at"] = Value::Null;
        subscription["cancel_at_period_end"] = json!(false);
        subscription["canceled_at"] = Value::Null;
        subscription["cancellation_details"]["reason"] = Value::Null;
    }
    Ok(())
}

fn set_pause(
    account: &mut Account,
    subscription: &mut Value,
    params: &Params,
) -> Result<(), ApiError> {
    if params.clears("pause_collection") {
        subscription["pause_collection"] = Value::Null;
    }
    let Some(pause) = params.group("pause_collection")? else {
        return Ok(());
    };
    pause.only(&["behavior", "resumes_at"])?;
    pause.required("behavior")?;
    let behavior = pause.one_of("behavior", &["keep_as_draft", "mark_uncollectible", "void"])?;
    let resumes = pause.integer("resumes_at")?;
    if let Some(at) = resumes {
        if at <= account.now {
            return Err(ApiError::invalid(
                "pause_collection[resumes_at]",
                "resumes_at must lie in the future",
            ));
        }
        account.plan(at, Timer::Resume(text_of(subscription, "id").to_owned()));
    }
    subscription["pause_collection"] = json!({"behavior": behavior, "resumes_at": resumes});
    Ok(())
}

/// Lays `trial_end` over a subscription; answers whether the trial ends now.
fn move_trial(
    account: &Account,
    subscription: &mut Value,
    params: &Params,
) -> Result<bool, ApiError> {
    if params.text("trial_end")? == Some("now") {
        return Ok(subscription["status"] == json!("trialing"));
    }
    if let Some(end) = trial_end(params, account.now)? {
        if subscription["trial_start"].is_null() {
            subscription["trial_start"] = json!(account.now);
        }
        subscription["status"] = json!("trialing");
        subscription["trial_end"] = json!(end);
        subscription["billing_cycle_anchor"] = json!(end);
        items::set_period(subscription, account.now, end);
    }
    Ok(false)
}

/// `POST /v1/subscriptions/{id}/resume`: from `paused` to `active` with a new period.
pub(crate) fn resume(
    account: &mut Account,
    id: &str,
    params: &Params,
) -> Result<Arc<str>, ApiError> {
    params.only(&["billing_cycle_anchor", "proration_behavior"])?;
    let mut subscription = account.live(Kind::Subscription, id, "id")?;
    if subscription["status"] != json!("paused") {
        return Err(ApiError::invalid(
            "id",
            "only a paused subscription can be resumed",
        ));
    }
    subscription["status"] = json!("active");
    subscription["billing_cycle_anchor"] = json!(account.now);
    account.put(
        Kind::Subscription,
        &subscription,
        "customer.subscription.resumed",
    );
    cycle::renew(account, subscription);
    account.answer(Kind::Subscription, id)
}
