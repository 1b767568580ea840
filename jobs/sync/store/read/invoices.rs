//! Invoices as people read them.

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

/// Invoices `i` with their customers `c` out of `$from` of whom `$condition` and all filters hold, newest first.
macro_rules! invoices {
    ($from:literal, $condition:literal) => {
        concat!(
            "SELECT i.id, i.customer_id, c.member_id, i.subscription_id, i.number, i.status, i.collection_method,
                i.billing_reason, i.currency, i.subtotal, i.discount, i.tax, i.tax_percent_bps, i.total, i.amount_due,
                i.amount_paid, i.amount_remaining, i.attempt_count, i.due_date, i.period_start, i.period_end,
                i.paid_at, i.hosted_invoice_url, i.invoice_pdf, i.price_id,
                coalesce(p.nickname, d.name) AS plan_name,
                coalesce(i.payment_method_id, s.payment_method_id, c.payment_method_id) AS method_id,
                w.type AS method_type, w.brand AS method_brand, w.last4 AS method_last4,
                w.exp_month AS method_exp_month, w.exp_year AS method_exp_year, i.created_at
             FROM ",
            $from,
            " LEFT JOIN subscriptions AS s ON s.organization_id = i.organization_id AND s.id = i.subscription_id
              LEFT JOIN prices AS p ON p.organization_id = i.organization_id AND p.id = i.price_id
              LEFT JOIN products AS d ON d.organization_id = i.organization_id AND d.id = i.product_id
              LEFT JOIN payment_methods AS w ON w.organization_id = i.organization_id AND NOT w.deleted
                AND w.id = coalesce(i.payment_method_id, s.payment_method_id, c.payment_method_id)
              WHERE i.organization_id = $1 AND NOT i.deleted AND ",
            $condition,
            " AND (i.created_at, i.id) < ($3, $4)
              AND (CAST($5 AS TEXT) IS NULL OR i.status = $5)
              AND (CAST($6 AS TEXT) IS NULL OR i.subscription_id = $6)
             ORDER BY i.created_at DESC, i.id DESC LIMIT $7"
        )
    };
}
/// Each with its customer.
macro_rules! with_customer {
    ($condition:literal) => {
        invoices!(
            "invoices AS i LEFT JOIN customers AS c ON c.organization_id = i.organization_id AND c.id = i.customer_id",
            $condition
        )
    };
}
pub(super) const LIST: Ways = Ways {
    walk: Sql::both(with_customer!("CAST($2 AS TEXT) IS NULL")),
    look_up: Sql::split(
        invoices!(
            "json_each($2) AS t CROSS JOIN customers AS c CROSS JOIN invoices AS i",
            "c.organization_id = $1 AND c.member_id = t.value AND i.customer_id = c.id"
        ),
        invoices!(
            "jsonb_array_elements_text($2::jsonb) AS t (whose)
             CROSS JOIN LATERAL (SELECT * FROM customers AS o
                WHERE o.organization_id = $1 AND o.member_id = t.whose OFFSET 0) AS c
             CROSS JOIN LATERAL (SELECT * FROM invoices AS o
                WHERE o.organization_id = $1 AND o.customer_id = c.id OFFSET 0) AS i",
            "TRUE"
        ),
    ),
    walk_of: Sql::both(with_customer!(
        "EXISTS (SELECT 1 FROM members AS m
                 WHERE m.organization_id = $1 AND m.id = c.member_id AND m.creator_id = $2)"
    )),
};
/// Those of a subscription, which are few.
pub(super) const OF_SUBSCRIPTION: Ways = Ways {
    walk: Sql::both(with_customer!("i.subscription_id = $6 AND CAST($2 AS TEXT) IS NULL")),
    look_up: LIST.look_up,
    walk_of: Sql::both(with_customer!(
        "i.subscription_id = $6
         AND EXISTS (SELECT 1 FROM members AS m
                     WHERE m.organization_id = $1 AND m.id = c.member_id AND m.creator_id = $2)"
    )),
};

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
    let way = way(db, organization, whose).await?;
    let ways = if subscription.is_some() { OF_SUBSCRIPTION } else { LIST };
    let (statement, named) = ways.take(&way);
    let (time, last) = before.unwrap_or(NEWEST);
    db.all(statement, args![organization, named, time, last, status, subscription, limit]).await
}
