//! The rules that turn subscriptions into entitlements, a tier and a billing status. Pure.
//!
//! | Stripe's status | access | ends |
//! |---|---|---|
//! | `active`, `trialing` | yes | at `cancel_at`, or at the period's end with `cancel_at_period_end`; else open |
//! | … with `pause_collection` of `keep_as_draft` | yes | as above: the invoices will be collected later |
//! | … with another `pause_collection` | no | at the start of the period that is not collected |
//! | `past_due` | for a grace | grace after the start of the unpaid period |
//! | `unpaid` | no | at the start of the unpaid period |
//! | `paused` (a trial ended without a payment method) | no | at the trial's end |
//! | `canceled` | no | when it ended |
//! | `incomplete`, `incomplete_expired`, anything unknown | never had | – |

use std::{collections::BTreeMap, time::Duration};

use crate::{kernel::Timestamp, members::BillingStatus};

/// A subscription, as far as access depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionFacts {
    /// Stripe's id.
    pub id: String,
    /// Stripe's status, whatever word it is.
    pub status: String,
    /// When it started.
    pub started_at: Timestamp,
    /// Start of the present period: the earliest of its items.
    pub period_start: Option<Timestamp>,
    /// End of the present period: the earliest of its items.
    pub period_end: Option<Timestamp>,
    /// When it will be cancelled.
    pub cancel_at: Option<Timestamp>,
    /// Whether it ends with the present period.
    pub cancel_at_period_end: bool,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When the trial ends or ended.
    pub trial_end: Option<Timestamp>,
    /// `behavior` of `pause_collection`, if collection is paused.
    pub pause_behavior: Option<String>,
    /// What it contains.
    pub items: Vec<ItemFacts>,
}

/// One item of a subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemFacts {
    /// Stripe's product.
    pub product_id: String,
    /// What it costs in a month, in minor units, rounded: only for comparing tiers.
    pub monthly_amount: i64,
}

/// A product, as far as tiers depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductFacts {
    /// Stripe's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// Whether it is on sale.
    pub active: bool,
    /// Whether its metadata has `memberd_default=true`.
    pub is_default: bool,
    /// The names of its marketing features.
    pub benefits: Vec<String>,
}

/// An entitlement as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// The product she may use.
    pub product_id: String,
    /// The subscription that gives it.
    pub subscription_id: String,
    /// From when.
    pub started_at: Timestamp,
    /// Until when; `None` is open.
    pub ended_at: Option<Timestamp>,
    /// Why it ends, or what is special about it.
    pub note: Option<&'static str>,
}

/// An entitlement as it stands in the table.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Present {
    /// `ent_…`
    pub id: String,
    /// The product.
    pub product_id: String,
    /// The subscription that gave it.
    pub source_id: String,
    /// From when.
    pub started_at: Timestamp,
    /// Until when; `None` is open.
    pub ended_at: Option<Timestamp>,
    /// Why it ends.
    pub note: Option<String>,
}

/// What has to be done to the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Rows to insert.
    pub add: Vec<Wanted>,
    /// Rows to correct, by id.
    pub set: Vec<(String, Wanted)>,
    /// Rows to remove, by id.
    pub remove: Vec<String>,
}

impl Changes {
    /// Whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.add.is_empty() && self.set.is_empty() && self.remove.is_empty()
    }
}

/// The entitlements that a subscription gives: one for each product in it.
pub fn wanted(subscription: &SubscriptionFacts, grace: Duration) -> Vec<Wanted> {
    let Some((ended_at, note)) = end(subscription, grace) else { return Vec::new() };
    let mut products: Vec<_> = subscription.items.iter().map(|item| &item.product_id).collect();
    products.sort_unstable();
    products.dedup();
    products
        .into_iter()
        .map(|product| Wanted {
            product_id: product.clone(),
            subscription_id: subscription.id.clone(),
            started_at: subscription.started_at,
            ended_at: ended_at.map(|end| end.max(subscription.started_at)),
            note,
        })
        .collect()
}

/// When access ends and why; `None` when there never was any.
fn end(sub: &SubscriptionFacts, grace: Duration) -> Option<(Option<Timestamp>, Option<&'static str>)> {
    let period_start = sub.period_start.unwrap_or(sub.started_at);
    match (sub.status.as_str(), sub.pause_behavior.as_deref()) {
        ("active" | "trialing", Some(behavior)) if behavior != "keep_as_draft" => {
            Some((Some(period_start), Some("collection_paused")))
        }
        ("active" | "trialing", _) => Some(match (sub.cancel_at, sub.cancel_at_period_end) {
            (Some(at), _) => (Some(at), Some("cancels")),
            (None, true) => (sub.period_end, Some("cancels")),
            (None, false) => (None, None),
        }),
        ("past_due", _) => Some((Some(period_start.plus(grace)), Some("past_due"))),
        ("unpaid", _) => Some((Some(period_start), Some("unpaid"))),
        ("paused", _) => Some((Some(sub.trial_end.unwrap_or(period_start)), Some("paused"))),
        ("canceled", _) => Some((Some(sub.ended_at.unwrap_or(period_start)), Some("canceled"))),
        _ => None,
    }
}

/// What turns the `present` rows into the `wanted` ones. Rows are matched by product and subscription.
pub fn diff(present: &[Present], wanted: Vec<Wanted>) -> Changes {
    let mut rows: BTreeMap<(String, String), &Present> =
        present.iter().map(|row| ((row.product_id.clone(), row.source_id.clone()), row)).collect();
    let mut changes = Changes::default();
    for want in wanted {
        match rows.remove(&(want.product_id.clone(), want.subscription_id.clone())) {
            None => changes.add.push(want),
            Some(row)
                if row.started_at == want.started_at
                    && row.ended_at == want.ended_at
                    && row.note.as_deref() == want.note => {}
            Some(row) => changes.set.push((row.id.clone(), want)),
        }
    }
    changes.remove = rows.into_values().map(|row| row.id.clone()).collect();
    changes
}

/// Where a member stands over all her subscriptions: the best of them counts.
pub fn billing_status(subscriptions: &[SubscriptionFacts]) -> BillingStatus {
    subscriptions.iter().map(status_of).max().unwrap_or(BillingStatus::None)
}

fn status_of(subscription: &SubscriptionFacts) -> BillingStatus {
    match (subscription.status.as_str(), subscription.pause_behavior.is_some()) {
        ("active" | "trialing", true) | ("paused", _) => BillingStatus::Paused,
        ("active" | "trialing" | "past_due", false) | ("past_due", true) => BillingStatus::Active,
        ("unpaid" | "canceled", _) => BillingStatus::Churned,
        _ => BillingStatus::None,
    }
}

/// The tier she pays for: the dearest product of her active subscriptions, the smaller id among equals. `None` is the
/// organization's default tier.
pub fn tier(subscriptions: &[SubscriptionFacts]) -> Option<String> {
    subscriptions
        .iter()
        .filter(|subscription| status_of(subscription) == BillingStatus::Active)
        .flat_map(|subscription| &subscription.items)
        .max_by(|a, b| {
            a.monthly_amount.cmp(&b.monthly_amount).then_with(|| b.product_id.cmp(&a.product_id))
        })
        .map(|item| item.product_id.clone())
}

/// The event that a change of status and tier is for the outside, if it is one.
pub fn transition(
    was: BillingStatus,
    old_tier: Option<&str>,
    is: BillingStatus,
    new_tier: Option<&str>,
) -> Option<&'static str> {
    match (was, is) {
        (BillingStatus::Active | BillingStatus::Paused, BillingStatus::Churned) => {
            Some("audience.member_churned")
        }
        (_, BillingStatus::Active) if new_tier.is_some() && new_tier != old_tier => {
            Some("audience.member_upgraded")
        }
        _ => None,
    }
}

/// A price in a month: a year is 12 months, a week is 84/365 of a month and a day 12/365, Stripe's own proportions.
/// Rounded down; used only to compare.
pub fn monthly_amount(unit_amount: i64, quantity: i64, interval: &str, count: i64) -> i64 {
    let total = i128::from(unit_amount).saturating_mul(i128::from(quantity));
    let count = i128::from(count.max(1));
    let monthly = match interval {
        "year" => total / (12 * count),
        "week" => total.saturating_mul(365) / (84 * count),
        "day" => total.saturating_mul(365) / (12 * count),
        _ => total / count,
    };
    i64::try_from(monthly).unwrap_or(i64::MAX)
}
