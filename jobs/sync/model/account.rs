//! The account itself: what it may do, and what Stripe still wants to know.

use serde_json::Value;

use super::{created, flag, list, text};
use crate::kernel::Timestamp;

/// A Stripe account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// `acct_…`
    pub id: String,
    /// `standard`, `express`, `custom` or `none`.
    pub kind: Option<String>,
    /// Country code.
    pub country: Option<String>,
    /// Currency code.
    pub default_currency: Option<String>,
    /// Whether it can charge.
    pub charges_enabled: bool,
    /// Whether it can be paid out.
    pub payouts_enabled: bool,
    /// Whether its owner has told what Stripe asked at first.
    pub details_submitted: bool,
    /// Why it is restricted, in Stripe's word.
    pub disabled_reason: Option<String>,
    /// The names of what Stripe wants to know now.
    pub currently_due: Vec<String>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A Stripe account.
pub fn account(value: &Value) -> Option<Account> {
    let due = list(value, "/requirements/currently_due");
    Some(Account {
        id: text(value, "/id")?,
        kind: text(value, "/type"),
        country: text(value, "/country"),
        default_currency: text(value, "/default_currency"),
        charges_enabled: flag(value, "/charges_enabled"),
        payouts_enabled: flag(value, "/payouts_enabled"),
        details_submitted: flag(value, "/details_submitted"),
        disabled_reason: text(value, "/requirements/disabled_reason"),
        currently_due: due.iter().filter_map(|name| text(name, "")).collect(),
        created_at: created(value),
    })
}
