//! Where a member stands at a moment: status, tier and products, worked out of her entitlements alone. Pure.

use std::collections::BTreeSet;

use super::model::{Present, Source};
use crate::{kernel::Timestamp, members::BillingStatus};

/// Where a member stands, and until when that is sure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Where she stands with her payments. Grants do not count.
    pub status: BillingStatus,
    /// The tier she pays for, or paid for before collection was paused; `None` is the organization's default tier.
    pub tier_id: Option<String>,
    /// What that tier costs in a month, in minor units.
    pub tier_amount: i64,
    /// The products she may use.
    pub products: BTreeSet<String>,
    /// The next moment at which this may change by itself.
    pub changes_at: Option<Timestamp>,
}

/// What a change of state is for the outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// She pays for a dearer tier than before, or for one again.
    Upgraded,
    /// She no longer pays.
    Churned,
}

impl Transition {
    /// The event's type.
    pub const fn event(&self) -> &'static str {
        match self {
            Self::Upgraded => "audience.member_upgraded",
            Self::Churned => "audience.member_churned",
        }
    }
}

/// Where she stands at `now`, by all her rows.
pub fn state(rows: &[Present], now: Timestamp) -> State {
    let paid = || rows.iter().filter(|row| row.source == Source::Subscription);
    let paying = || paid().filter(|row| row.is_active(now) && !is_paused(row, now));
    let paused = || paid().filter(|row| is_paused(row, now));
    let status = if paying().next().is_some() {
        BillingStatus::Active
    } else if paused().next().is_some() {
        BillingStatus::Paused
    } else if paid().any(|row| has_begun(row, now)) {
        BillingStatus::Churned
    } else {
        BillingStatus::None
    };
    let tier = match status {
        BillingStatus::Active => dearest(paying()),
        BillingStatus::Paused => dearest(paused()),
        BillingStatus::Churned | BillingStatus::None => None,
    };
    let edges = rows.iter().flat_map(|row| row.spans.edges(row.source));
    State {
        status,
        tier_id: tier.map(|row| row.product_id.clone()),
        tier_amount: tier.map_or(0, |row| row.monthly_amount),
        products: rows
            .iter()
            .filter(|row| row.is_active(now))
            .map(|row| row.product_id.clone())
            .collect(),
        changes_at: edges.filter(|edge| *edge > now).min(),
    }
}

/// The dearest product, the smaller id among equals.
fn dearest<'a>(rows: impl Iterator<Item = &'a Present>) -> Option<&'a Present> {
    rows.max_by(|a, b| {
        a.monthly_amount.cmp(&b.monthly_amount).then_with(|| b.product_id.cmp(&a.product_id))
    })
}

fn is_paused(row: &Present, now: Timestamp) -> bool {
    let before = |end: Option<Timestamp>| end.is_none_or(|end| now < end);
    matches!(row.note.as_deref(), Some("paused" | "collection_paused"))
        && before(row.spans.resumes_at)
        && before(row.spans.resumed_until)
}

/// Whether it was ever more than a first payment that is pending.
fn has_begun(row: &Present, now: Timestamp) -> bool {
    let never = matches!(
        row.note.as_deref(),
        Some("incomplete" | "incomplete_expired" | "unknown_status")
    );
    !never && !row.spans.is_ahead(row.source, now)
}

/// What the change is for the outside. `old_tier` has an amount unless it was never worked out.
pub fn transition(
    was: BillingStatus,
    old_tier: Option<(&str, Option<i64>)>,
    is: &State,
) -> Option<Transition> {
    use BillingStatus::{Active, Churned, None as Never, Paused};
    let paid = matches!(was, Active | Paused);
    match (is.status, is.tier_id.as_deref()) {
        (Churned | Never, _) if paid => Some(Transition::Churned),
        (Active, Some(_)) if !paid => Some(Transition::Upgraded),
        (Active, Some(tier)) => {
            let rises = old_tier.is_none_or(|(old, amount)| {
                old != tier && amount.is_none_or(|amount| amount < is.tier_amount)
            });
            rises.then_some(Transition::Upgraded)
        }
        _ => None,
    }
}
