//! Customers.

use serde_json::Value;

use super::{created, first, flag, id_at, number, text};
use crate::kernel::Timestamp;

/// A customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// `cus_…`
    pub id: String,
    /// Address.
    pub email: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Currency of its invoices.
    pub currency: Option<String>,
    /// Whether its latest invoice is overdue.
    pub delinquent: bool,
    /// What it owes, in minor units; negative is credit.
    pub balance: i64,
    /// `pm_…`, or `card_…` of the time before payment methods: what pays unless something else is said.
    pub payment_method_id: Option<String>,
    /// The member that its metadata names under `memberd_member_id`.
    pub member_id: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A customer.
pub fn customer(value: &Value) -> Option<Customer> {
    Some(Customer {
        id: text(value, "/id")?,
        email: text(value, "/email"),
        name: text(value, "/name"),
        currency: text(value, "/currency"),
        delinquent: flag(value, "/delinquent"),
        balance: first(value, &["/balance", "/account_balance"], number).unwrap_or(0),
        payment_method_id: id_at(value, "/invoice_settings/default_payment_method")
            .or_else(|| card_at(value, "/default_source")),
        member_id: text(value, "/metadata/memberd_member_id"),
        created_at: created(value),
    })
}

/// The id of a card of the time before payment methods; sources of other kinds are no payment methods.
pub(super) fn card_at(value: &Value, pointer: &str) -> Option<String> {
    id_at(value, pointer).filter(|id| id.starts_with("card_"))
}
