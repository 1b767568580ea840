//! What people read of the mirror.

mod catalog;
mod metadata;
mod purchases;

pub use catalog::{
    CODES_SHOWN_MAX, CodeRow, PlanRow, coupons, plans, promotion_codes,
};
pub use crate::sync::model::Coupon;
pub use metadata::metadata;
pub use purchases::{PurchaseRow, SHOWN_WITH_MEMBER_MAX, purchases, purchases_of};

use crate::{
    args,
    kernel::{
        Timestamp,
        db::{Db, Result, Sql},
    },
    members::Whose,
};

/// A subscription as people see it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SubscriptionRow {
    /// `sub_…`
    pub id: String,
    /// `cus_…`
    pub customer_id: String,
    /// The member behind the customer, once it is linked.
    pub member_id: Option<String>,
    /// Stripe's status, whatever word it is.
    pub status: String,
    /// `charge_automatically` or `send_invoice`.
    pub collection_method: Option<String>,
    /// Currency code.
    pub currency: Option<String>,
    /// When it started.
    pub start_date: Option<Timestamp>,
    /// When the trial began.
    pub trial_start: Option<Timestamp>,
    /// When the trial ends or ended.
    pub trial_end: Option<Timestamp>,
    /// Start of the present period.
    pub current_period_start: Option<Timestamp>,
    /// End of the present period.
    pub current_period_end: Option<Timestamp>,
    /// When it will be cancelled.
    pub cancel_at: Option<Timestamp>,
    /// Whether it ends with the present period.
    pub cancel_at_period_end: bool,
    /// When the cancellation was asked for.
    pub canceled_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// `behavior` of `pause_collection`, if collection is paused.
    pub pause_behavior: Option<String>,
    /// Why it was cancelled, in Stripe's word.
    pub cancel_reason: Option<String>,
    /// The coupon of its first discount.
    pub coupon_id: Option<String>,
    /// What pays it: its own payment method, else its customer's.
    #[sqlx(flatten)]
    pub payment_method: Paying,
    /// `sub_sched_…`
    pub schedule_id: Option<String>,
    /// Status of the schedule.
    pub schedule_status: Option<String>,
    /// What becomes of it after the last phase: `cancel` or `release`.
    pub schedule_end_behavior: Option<String>,
    /// The schedule's phases, JSON.
    pub schedule_phases: Option<String>,
    /// `in_…`
    pub latest_invoice_id: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
}

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

/// An item of a subscription as people see it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ItemRow {
    /// The subscription.
    pub subscription_id: String,
    /// `si_…`
    pub id: String,
    /// `price_…`
    pub price_id: String,
    /// `prod_…`
    pub product_id: String,
    /// Units.
    pub quantity: i64,
    /// Currency code.
    pub currency: Option<String>,
    /// Minor units for one interval; `None` when Stripe computes it.
    pub unit_amount: Option<i64>,
    /// `day`, `week`, `month` or `year`.
    pub recurring_interval: Option<String>,
    /// Intervals between two charges.
    pub recurring_interval_count: Option<i64>,
    /// The price's name, or its product's.
    pub plan_name: Option<String>,
}

/// An invoice as people see it. Amounts are minor units.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct InvoiceRow {
    /// `in_…`
    pub id: String,
    /// `cus_…`
    pub customer_id: Option<String>,
    /// The member behind the customer, once it is linked.
    pub member_id: Option<String>,
    /// `sub_…`
    pub subscription_id: Option<String>,
    /// Its number for people.
    pub number: Option<String>,
    /// `draft`, `open`, `paid`, `uncollectible` or `void`.
    pub status: Option<String>,
    /// `charge_automatically` or `send_invoice`.
    pub collection_method: Option<String>,
    /// Why it was made, such as `subscription_cycle`.
    pub billing_reason: Option<String>,
    /// Currency code.
    pub currency: String,
    /// Before discounts and tax.
    pub subtotal: i64,
    /// What discounts took off.
    pub discount: i64,
    /// Tax in all.
    pub tax: i64,
    /// Its rate in hundredths of a percent, where there is one for the whole.
    pub tax_percent_bps: Option<i64>,
    /// Tax included.
    pub total: i64,
    /// To be paid in all.
    pub amount_due: i64,
    /// Paid so far.
    pub amount_paid: i64,
    /// Still open.
    pub amount_remaining: i64,
    /// Attempts to collect it.
    pub attempt_count: i64,
    /// When it is due, if it is sent.
    pub due_date: Option<Timestamp>,
    /// Start of what it bills.
    pub period_start: Option<Timestamp>,
    /// End of what it bills.
    pub period_end: Option<Timestamp>,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
    /// Its page at Stripe.
    pub hosted_invoice_url: Option<String>,
    /// Its document at Stripe.
    pub invoice_pdf: Option<String>,
    /// The price that it bills the most for.
    pub price_id: Option<String>,
    /// The price's name, or its product's.
    pub plan_name: Option<String>,
    /// What pays it: its own payment method, else its subscription's, else its customer's.
    #[sqlx(flatten)]
    pub payment_method: Paying,
    /// When it was created.
    pub created_at: Timestamp,
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

const SUBSCRIPTIONS: Sql = Sql::both(
    "SELECT s.id, s.customer_id, c.member_id, s.status, s.collection_method, s.currency, s.start_date, s.trial_start,
        s.trial_end, s.current_period_start, s.current_period_end, s.cancel_at, s.cancel_at_period_end, s.canceled_at,
        s.ended_at, s.pause_behavior, s.cancel_reason, s.coupon_id, s.schedule_id, h.status AS schedule_status,
        h.end_behavior AS schedule_end_behavior, h.phases AS schedule_phases,
        coalesce(s.payment_method_id, c.payment_method_id) AS method_id, w.type AS method_type,
        w.brand AS method_brand, w.last4 AS method_last4, w.exp_month AS method_exp_month,
        w.exp_year AS method_exp_year, s.latest_invoice_id, s.created_at
     FROM subscriptions AS s
     LEFT JOIN customers AS c ON c.organization_id = s.organization_id AND c.id = s.customer_id
     LEFT JOIN subscription_schedules AS h ON h.organization_id = s.organization_id AND h.id = s.schedule_id
     LEFT JOIN payment_methods AS w ON w.organization_id = s.organization_id AND NOT w.deleted
        AND w.id = coalesce(s.payment_method_id, c.payment_method_id)
     WHERE s.organization_id = $1 AND NOT s.deleted
       AND (CAST($2 AS TEXT) IS NULL OR s.id = $2)
       AND (CAST($3 AS TEXT) IS NULL OR c.member_id = $3)
       AND (CAST($4 AS TEXT) IS NULL OR s.status = $4)
       AND (CAST($5 AS BIGINT) IS NULL OR (s.created_at, s.id) < ($5, $6))
       AND (CAST($8 AS TEXT) IS NULL OR c.member_id IN (
            SELECT m.id FROM members AS m WHERE m.organization_id = $1 AND m.creator_id = $8))
     ORDER BY s.created_at DESC, s.id DESC LIMIT $7",
);
macro_rules! items {
    ($these:literal) => {
        concat!(
            "SELECT i.subscription_id, i.id, i.price_id, i.product_id, i.quantity, i.currency, i.unit_amount,
                i.recurring_interval, i.recurring_interval_count, coalesce(p.nickname, d.name) AS plan_name
             FROM subscription_items AS i
             LEFT JOIN prices AS p ON p.organization_id = i.organization_id AND p.id = i.price_id
             LEFT JOIN products AS d ON d.organization_id = i.organization_id AND d.id = i.product_id
             WHERE i.organization_id = $1 AND ",
            $these,
            " ORDER BY i.subscription_id, i.id"
        )
    };
}
const ITEMS: Sql = Sql::split(
    items!("i.subscription_id IN (SELECT value FROM json_each($2))"),
    items!("i.subscription_id = ANY (ARRAY(SELECT jsonb_array_elements_text($2::jsonb)))"),
);
const INVOICES: Sql = Sql::both(
    "SELECT i.id, i.customer_id, c.member_id, i.subscription_id, i.number, i.status, i.collection_method,
        i.billing_reason, i.currency, i.subtotal, i.discount, i.tax, i.tax_percent_bps, i.total, i.amount_due,
        i.amount_paid, i.amount_remaining, i.attempt_count, i.due_date, i.period_start, i.period_end, i.paid_at,
        i.hosted_invoice_url, i.invoice_pdf, i.price_id, coalesce(p.nickname, d.name) AS plan_name,
        coalesce(i.payment_method_id, s.payment_method_id, c.payment_method_id) AS method_id, w.type AS method_type,
        w.brand AS method_brand, w.last4 AS method_last4, w.exp_month AS method_exp_month,
        w.exp_year AS method_exp_year, i.created_at
     FROM invoices AS i
     LEFT JOIN customers AS c ON c.organization_id = i.organization_id AND c.id = i.customer_id
     LEFT JOIN subscriptions AS s ON s.organization_id = i.organization_id AND s.id = i.subscription_id
     LEFT JOIN prices AS p ON p.organization_id = i.organization_id AND p.id = i.price_id
     LEFT JOIN products AS d ON d.organization_id = i.organization_id AND d.id = i.product_id
     LEFT JOIN payment_methods AS w ON w.organization_id = i.organization_id AND NOT w.deleted
        AND w.id = coalesce(i.payment_method_id, s.payment_method_id, c.payment_method_id)
     WHERE i.organization_id = $1 AND NOT i.deleted
       AND (CAST($2 AS TEXT) IS NULL OR c.member_id = $2)
       AND (CAST($3 AS TEXT) IS NULL OR i.status = $3)
       AND (CAST($4 AS TEXT) IS NULL OR i.subscription_id = $4)
       AND (CAST($5 AS BIGINT) IS NULL OR (i.created_at, i.id) < ($5, $6))
       AND (CAST($8 AS TEXT) IS NULL OR c.member_id IN (
            SELECT m.id FROM members AS m WHERE m.organization_id = $1 AND m.creator_id = $8))
     ORDER BY i.created_at DESC, i.id DESC LIMIT $7",
);
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
/// Subscriptions, newest first; `id`, `whose` and `status` narrow the list.
pub async fn subscriptions(
    db: &Db,
    organization: &str,
    id: Option<&str>,
    whose: Whose<'_>,
    status: Option<&str>,
    before: Option<Before<'_>>,
    limit: i64,
) -> Result<Vec<SubscriptionRow>> {
    let (time, last) = before.unzip();
    let Whose { member, creator } = whose;
    db.all(SUBSCRIPTIONS, args![organization, id, member, status, time, last, limit, creator]).await
}

/// The items of several subscriptions.
pub async fn items(db: &Db, organization: &str, subscriptions: &[String]) -> Result<Vec<ItemRow>> {
    let ids = serde_json::Value::from(subscriptions).to_string();
    db.all(ITEMS, args![organization, ids]).await
}

/// Invoices, newest first; `whose`, `status` and `subscription` narrow the list.
pub async fn invoices(
    db: &Db,
    organization: &str,
    whose: Whose<'_>,
    status: Option<&str>,
    subscription: Option<&str>,
    before: Option<Before<'_>>,
    limit: i64,
) -> Result<Vec<InvoiceRow>> {
    let (time, last) = before.unzip();
    let Whose { member, creator } = whose;
    let row = args![organization, member, status, subscription, time, last, limit, creator];
    db.all(INVOICES, row).await
}

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
