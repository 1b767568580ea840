//! What people read of the mirror.

mod catalog;
mod invoices;
mod metadata;
mod purchases;
mod subscriptions;
#[cfg(test)]
mod tests;

pub use catalog::{
    CODES_SHOWN_MAX, CodeRow, PlanRow, coupons, plans, promotion_codes,
};
pub use crate::sync::model::Coupon;
pub use invoices::{InvoiceRow, invoices};
pub use metadata::metadata;
pub use purchases::{PurchaseRow, SHOWN_WITH_MEMBER_MAX, purchases, purchases_of};
pub use subscriptions::{ItemRow, SubscriptionRow, items, subscription, subscriptions};

use crate::{
    args,
    kernel::{
        Timestamp,
        db::{Db, Result, Sql},
    },
};

/// A payment method as people see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Paying {
    /// `pm_…`
    #[sqlx(rename = "method_id")]
    pub id: Option<String>,
    /// `card`, `sepa_debit` …
    #[sqlx(rename = "method_type")]
    pub kind: Option<String>,
    /// The card's brand, or the bank's name.
    #[sqlx(rename = "method_brand")]
    pub brand: Option<String>,
    /// The last four digits.
    #[sqlx(rename = "method_last4")]
    pub last4: Option<String>,
    /// Month in which the card expires.
    #[sqlx(rename = "method_exp_month")]
    pub exp_month: Option<i64>,
    /// Year in which the card expires.
    #[sqlx(rename = "method_exp_year")]
    pub exp_year: Option<i64>,
}

/// A received event as people see it; never its body.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct EventRow {
    /// `evt_…`
    pub id: String,
    /// Its type, such as `invoice.paid`.
    #[sqlx(rename = "type")]
    pub kind: String,
    /// Stripe's word for the object it is about.
    pub object_type: Option<String>,
    /// The object's id.
    pub object_id: Option<String>,
    /// `new`, `applied`, `ignored`, `wrong_mode`, `foreign` or `failed`.
    pub state: String,
    /// `webhook` or `poll`.
    pub source: String,
    /// The connected account it came from; empty for our own.
    pub account: String,
    /// Whether it is of live mode.
    pub livemode: bool,
    /// The API version it was rendered in.
    pub api_version: Option<String>,
    /// When it happened at Stripe.
    pub created_at: Timestamp,
    /// When it was received.
    pub received_at: Timestamp,
    /// When it was acted on.
    pub applied_at: Option<Timestamp>,
    /// Why nothing came of it.
    pub error: Option<String>,
}

/// A position in a list of the mirror: what was created at this time with this id came last.
pub type Before<'a> = (Timestamp, &'a str);

/// Where a list begins.
const NEWEST: Before<'static> = (Timestamp(i64::MAX), "~");

const EVENTS: Sql = Sql::both(
    "SELECT id, type, object_type, object_id, state, source, account, livemode, api_version, created_at, received_at,
        applied_at, error
     FROM stripe_events WHERE organization_id = $1
       AND (CAST($2 AS TEXT) IS NULL OR id = $2)
       AND (CAST($3 AS TEXT) IS NULL OR state = $3)
       AND (CAST($4 AS TEXT) IS NULL OR type = $4)
       AND (CAST($5 AS TEXT) IS NULL OR object_id = $5)
       AND (CAST($6 AS BIGINT) IS NULL OR (received_at, id) < ($6, $7))
     ORDER BY received_at DESC, id DESC LIMIT $8",
);

/// Which received events to list. What is `None` does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventFilter<'a> {
    /// The event's id.
    pub id: Option<&'a str>,
    /// Its state.
    pub state: Option<&'a str>,
    /// Its type.
    pub kind: Option<&'a str>,
    /// The id of the object it is about.
    pub object_id: Option<&'a str>,
}

/// Received events, the latest first.
pub async fn events(
    db: &Db,
    organization: &str,
    filter: &EventFilter<'_>,
    before: Option<Before<'_>>,
    limit: i64,
) -> Result<Vec<EventRow>> {
    let (time, last) = before.unzip();
    let EventFilter { id, state, kind, object_id } = *filter;
    db.all(EVENTS, args![organization, id, state, kind, object_id, time, last, limit]).await
}
