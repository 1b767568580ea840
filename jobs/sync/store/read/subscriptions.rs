//! Subscriptions as people read them.

use super::{Before, NEWEST, Paying};
use crate::{
    args,
    kernel::{
        Timestamp,
        db::{Db, Result, Sql},
    },
    members::{
        Whose,
        store::{Ways, way},
    },
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

/// Subscriptions `s` with their customers `c` out of `$from` of whom `$condition` holds.
macro_rules! subscriptions {
    ($from:literal, $condition:expr) => {
        concat!(
            "SELECT s.id, s.customer_id, c.member_id, s.status, s.collection_method, s.currency, s.start_date,
                s.trial_start, s.trial_end, s.current_period_start, s.current_period_end, s.cancel_at,
                s.cancel_at_period_end, s.canceled_at, s.ended_at, s.pause_behavior, s.cancel_reason, s.coupon_id,
                s.schedule_id, h.status AS schedule_status, h.end_behavior AS schedule_end_behavior,
                h.phases AS schedule_phases, coalesce(s.payment_method_id, c.payment_method_id) AS method_id,
                w.type AS method_type, w.brand AS method_brand, w.last4 AS method_last4,
                w.exp_month AS method_exp_month, w.exp_year AS method_exp_year, s.latest_invoice_id, s.created_at
             FROM ",
            $from,
            " LEFT JOIN subscription_schedules AS h ON h.organization_id = s.organization_id AND h.id = s.schedule_id
              LEFT JOIN payment_methods AS w ON w.organization_id = s.organization_id AND NOT w.deleted
                AND w.id = coalesce(s.payment_method_id, c.payment_method_id)
              WHERE s.organization_id = $1 AND NOT s.deleted AND ",
            $condition
        )
    };
}
/// The same as a list, newest first.
macro_rules! listed {
    ($from:literal, $condition:literal) => {
        subscriptions!(
            $from,
            concat!(
                $condition,
                " AND (s.created_at, s.id) < ($3, $4) AND (CAST($5 AS TEXT) IS NULL OR s.status = $5)
                 ORDER BY s.created_at DESC, s.id DESC LIMIT $6"
            )
        )
    };
}
pub(super) const LIST: Ways = Ways {
    walk: Sql::both(listed!(
        "subscriptions AS s
         LEFT JOIN customers AS c ON c.organization_id = s.organization_id AND c.id = s.customer_id",
        "CAST($2 AS TEXT) IS NULL"
    )),
    look_up: Sql::split(
        listed!(
            "json_each($2) AS t CROSS JOIN customers AS c CROSS JOIN subscriptions AS s",
            "c.organization_id = $1 AND c.member_id = t.value AND s.customer_id = c.id"
        ),
        listed!(
            "jsonb_array_elements_text($2::jsonb) AS t (whose)
             CROSS JOIN LATERAL (SELECT * FROM customers AS o
                WHERE o.organization_id = $1 AND o.member_id = t.whose OFFSET 0) AS c
             CROSS JOIN LATERAL (SELECT * FROM subscriptions AS o
                WHERE o.organization_id = $1 AND o.customer_id = c.id OFFSET 0) AS s",
            "TRUE"
        ),
    ),
    walk_of: Sql::both(listed!(
        "subscriptions AS s
         LEFT JOIN customers AS c ON c.organization_id = s.organization_id AND c.id = s.customer_id",
        "EXISTS (SELECT 1 FROM members AS m
                 WHERE m.organization_id = $1 AND m.id = c.member_id AND m.creator_id = $2)"
    )),
};
const GET: Sql = Sql::both(subscriptions!(
    "subscriptions AS s
     LEFT JOIN customers AS c ON c.organization_id = s.organization_id AND c.id = s.customer_id",
    "s.id = $2"
));
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

/// The subscription with this id.
pub async fn subscription(
    db: &Db,
    organization: &str,
    id: &str,
) -> Result<Option<SubscriptionRow>> {
    db.optional(GET, args![organization, id]).await
}

/// Subscriptions, newest first; `whose` and `status` narrow the list.
pub async fn subscriptions(
    db: &Db,
    organization: &str,
    whose: Whose<'_>,
    status: Option<&str>,
    before: Option<Before<'_>>,
    limit: i64,
) -> Result<Vec<SubscriptionRow>> {
    let way = way(db, organization, whose).await?;
    let (statement, named) = LIST.take(&way);
    let (time, last) = before.unwrap_or(NEWEST);
    db.all(statement, args![organization, named, time, last, status, limit]).await
}

/// The items of several subscriptions.
pub async fn items(db: &Db, organization: &str, subscriptions: &[String]) -> Result<Vec<ItemRow>> {
    let ids = serde_json::Value::from(subscriptions).to_string();
    db.all(ITEMS, args![organization, ids]).await
}
