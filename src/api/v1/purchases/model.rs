//! A purchase as the API shows it.

use memberd_jobs::{kernel::Timestamp, sync::store::read::PurchaseRow};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::paying::PlanName;
use crate::api::amount;

/// A purchase: a paid invoice, or a payment that no invoice asked for. Amounts are minor units of its currency.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct Purchase {
    /// Its id: `pur_` and Stripe's id of the invoice or the charge.
    #[schema(example = "pur_in_123")]
    id: String,
    /// `completed`, `partially_refunded` or `refunded`.
    #[schema(example = "completed")]
    status: &'static str,
    /// The same for people.
    #[schema(example = "Completed")]
    status_label: &'static str,
    /// Paid.
    #[schema(example = 999)]
    amount: i64,
    /// The same for people.
    #[schema(example = "$9.99")]
    formatted_amount: String,
    /// Given back.
    #[schema(minimum = 0, example = 0)]
    amount_refunded: i64,
    /// The same for people.
    #[schema(example = "$0.00")]
    formatted_amount_refunded: String,
    /// Currency code.
    #[schema(example = "usd")]
    currency: String,
    /// Who took the money: always `stripe`.
    #[schema(example = "stripe")]
    provider: &'static str,
    /// The plan it paid for; null when Stripe does not tell.
    plan: Option<PlanName>,
    /// Whether the member has an entitlement to what it paid for now.
    has_active_entitlement: bool,
    /// The member, once the customer is linked.
    member_id: Option<String>,
    /// Stripe's customer; null for a payment of somebody unknown.
    #[schema(example = "cus_123")]
    customer_id: Option<String>,
    /// The subscription it paid for.
    #[schema(example = "sub_123")]
    subscription_id: Option<String>,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was paid.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<PurchaseRow> for Purchase {
    fn from(row: PurchaseRow) -> Self {
        let (status, status_label) = match row.amount_refunded {
            ..=0 => ("completed", "Completed"),
            all if all >= row.amount => ("refunded", "Refunded"),
            _ => ("partially_refunded", "Partially refunded"),
        };
        let plan = row.price_id.map(|id| PlanName::of(id, row.plan_name));
        Self {
            id: format!("pur_{}", row.source_id),
            status,
            status_label,
            formatted_amount: amount(row.amount, &row.currency),
            amount: row.amount,
            formatted_amount_refunded: amount(row.amount_refunded, &row.currency),
            amount_refunded: row.amount_refunded,
            currency: row.currency,
            provider: "stripe",
            plan,
            has_active_entitlement: row.has_active_entitlement,
            member_id: row.member_id,
            customer_id: row.customer_id,
            subscription_id: row.subscription_id,
            created_at: row.created_at,
            updated_at: row.paid_at.unwrap_or(row.created_at),
        }
    }
}
