//! Purchases: what members have paid. They have no table of their own, because a charge and the word that it belongs to
//! an invoice arrive in any order: read together, they cannot disagree.
//!
//! A purchase is a paid invoice, or a charge that no invoice asked for (a one-off payment or a checkout session's). A charge
//! learns its invoice when either of the two is written; where both were written at once, only reading them tells.

use crate::{
    args,
    kernel::{
        Timestamp,
        db::{Db, Result, Sql},
    },
    members::Whose,
};

use super::Before;

/// The latest purchases of each member that are shown with her.
pub const SHOWN_WITH_MEMBER_MAX: i64 = 100;

/// A purchase as people see it. Amounts are minor units.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct PurchaseRow {
    /// The invoice (`in_…`) or charge (`ch_…`).
    pub source_id: String,
    /// `cus_…`
    pub customer_id: Option<String>,
    /// The member behind the customer, once it is linked.
    pub member_id: Option<String>,
    /// `sub_…`, when it paid for one.
    pub subscription_id: Option<String>,
    /// The price that was bought, where Stripe tells.
    pub price_id: Option<String>,
    /// The price's name, or its product's.
    pub plan_name: Option<String>,
    /// Currency code.
    pub currency: String,
    /// Paid.
    pub amount: i64,
    /// Given back.
    pub amount_refunded: i64,
    /// Whether the member has an entitlement for the product now.
    pub has_active_entitlement: bool,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
    /// When it was asked for.
    pub created_at: Timestamp,
}

/// Paid invoices, newest first; `$filter` is a condition on `i`.
macro_rules! invoices {
    ($filter:expr, $order:literal) => {
        concat!(
            "SELECT i.id AS source_id, i.customer_id, i.subscription_id, i.price_id, i.product_id, i.currency,
                i.amount_paid AS amount, i.paid_at, i.created_at, 'invoice' AS source_kind
             FROM invoices AS i
             WHERE i.organization_id = $1 AND i.status = 'paid' AND i.amount_paid > 0 AND NOT i.deleted AND ",
            $filter, $order
        )
    };
}

/// Charges that no invoice asked for, newest first; `$filter` is a condition on `h`.
macro_rules! charges {
    ($filter:expr, $order:literal) => {
        concat!(
            "SELECT h.id AS source_id, h.customer_id, NULL AS subscription_id, NULL AS price_id, NULL AS product_id,
                h.currency, h.amount_captured AS amount, h.created_at AS paid_at, h.created_at, 'charge' AS source_kind
             FROM charges AS h
             WHERE h.organization_id = $1 AND h.status = 'succeeded' AND h.amount_captured > 0 AND NOT h.deleted
               AND h.invoice_id IS NULL
               AND NOT EXISTS (SELECT 1 FROM invoice_payments AS p
                               WHERE p.organization_id = $1 AND p.payment_intent_id = h.payment_intent_id)
               AND NOT EXISTS (SELECT 1 FROM invoice_payments AS p
                               WHERE p.organization_id = $1 AND p.charge_id = h.id)
               AND ",
            $filter, $order
        )
    };
}

/// What is shown of the purchases `s`, for `$2` as now.
macro_rules! shown {
    ($from:expr) => {
        concat!(
            "SELECT s.source_id, s.customer_id, c.member_id, s.subscription_id, s.price_id,
                coalesce(r.nickname, d.name) AS plan_name, s.currency, s.amount,
                CAST(coalesce((SELECT sum(h.amount_refunded) FROM charges AS h
                               WHERE h.organization_id = $1 AND h.id = s.source_id), 0)
                   + coalesce((SELECT sum(h.amount_refunded) FROM charges AS h
                               WHERE h.organization_id = $1 AND h.invoice_id = s.source_id), 0)
                   + coalesce((SELECT sum(h.amount_refunded) FROM invoice_payments AS p
                               JOIN charges AS h ON h.organization_id = $1 AND h.payment_intent_id = p.payment_intent_id
                               WHERE p.organization_id = $1 AND p.invoice_id = s.source_id AND h.invoice_id IS NULL), 0)
                   AS BIGINT) AS amount_refunded,
                EXISTS (SELECT 1 FROM entitlements AS e
                        WHERE e.organization_id = $1 AND e.member_id = c.member_id AND e.product_id = s.product_id
                          AND ", gives_access!("e", "$2"), ") AS has_active_entitlement,
                s.paid_at, s.created_at
             FROM (", $from, ") AS s
             LEFT JOIN customers AS c ON c.organization_id = $1 AND c.id = s.customer_id
             LEFT JOIN prices AS r ON r.organization_id = $1 AND r.id = s.price_id
             LEFT JOIN products AS d ON d.organization_id = $1 AND d.id = s.product_id"
        )
    };
}

/// One page of all that `$billed` and `$charged` let through.
macro_rules! newest {
    ($billed:literal, $charged:literal) => {
        concat!(
            shown!(concat!(
                "SELECT * FROM (", invoices!(
                    concat!($billed, " AND (CAST($3 AS BIGINT) IS NULL OR (i.created_at, i.id) < ($3, $4))"),
                    " ORDER BY i.created_at DESC, i.id DESC LIMIT $5"
                ), ") AS billed UNION ALL SELECT * FROM (", charges!(
                    concat!($charged, " AND (CAST($3 AS BIGINT) IS NULL OR (h.created_at, h.id) < ($3, $4))"),
                    " ORDER BY h.created_at DESC, h.id DESC LIMIT $5"
                ), ") AS charged ORDER BY created_at DESC, source_id DESC LIMIT $5"
            )),
            " ORDER BY s.created_at DESC, s.source_id DESC"
        )
    };
}
const NEWEST: Sql = Sql::both(newest!("TRUE", "TRUE"));
const NEWEST_OF: Sql = Sql::both(newest!(
    "i.customer_id IN (SELECT id FROM customers WHERE organization_id = $1 AND member_id = $6)",
    "h.customer_id IN (SELECT id FROM customers WHERE organization_id = $1 AND member_id = $6)"
));

/// Those of a creator's members, or of one of them.
const NEWEST_OF_CREATOR: Sql = Sql::both(newest!(
    "i.customer_id IN (SELECT c.id FROM customers AS c JOIN members AS m ON m.organization_id = $1 AND m.id = c.member_id
        WHERE c.organization_id = $1 AND m.creator_id = $7 AND (CAST($6 AS TEXT) IS NULL OR m.id = $6))",
    "h.customer_id IN (SELECT c.id FROM customers AS c JOIN members AS m ON m.organization_id = $1 AND m.id = c.member_id
        WHERE c.organization_id = $1 AND m.creator_id = $7 AND (CAST($6 AS TEXT) IS NULL OR m.id = $6))"
));

/// Those of the customers of several members, the newest of each.
macro_rules! of_members {
    ($these:literal) => {
        concat!(
            shown!(concat!(
                "SELECT * FROM (SELECT a.*, row_number() OVER
                    (PARTITION BY m.member_id ORDER BY a.created_at DESC, a.source_id DESC) AS place
                 FROM (", invoices!(concat!("i.customer_id ", $these), ""),
                " UNION ALL ", charges!(concat!("h.customer_id ", $these), ""), ") AS a
                 JOIN customers AS m ON m.organization_id = $1 AND m.id = a.customer_id) AS ranked WHERE place <= $4"
            )),
            " ORDER BY s.created_at DESC, s.source_id DESC"
        )
    };
}
const OF_MEMBERS: Sql = Sql::split(
    of_members!(
        "IN (SELECT id FROM customers WHERE organization_id = $1 AND member_id IN (SELECT value FROM json_each($3)))"
    ),
    of_members!(
        "= ANY (ARRAY(SELECT id FROM customers WHERE organization_id = $1
            AND member_id = ANY (ARRAY(SELECT jsonb_array_elements_text($3::jsonb)))))"
    ),
);

/// Purchases, newest first; `whose` narrows the list.
pub async fn purchases(
    db: &Db,
    organization: &str,
    now: Timestamp,
    whose: Whose<'_>,
    before: Option<Before<'_>>,
    limit: i64,
) -> Result<Vec<PurchaseRow>> {
    let (time, last) = before.unzip();
    let Whose { member, creator } = whose;
    match (creator, member) {
        (Some(creator), _) => {
            let row = args![organization, now, time, last, limit, member, creator];
            db.all(NEWEST_OF_CREATOR, row).await
        }
        (None, Some(member)) => db.all(NEWEST_OF, args![organization, now, time, last, limit, member]).await,
        (None, None) => db.all(NEWEST, args![organization, now, time, last, limit]).await,
    }
}

/// The latest [`SHOWN_WITH_MEMBER_MAX`] purchases of each of several members, newest first.
pub async fn purchases_of(
    db: &Db,
    organization: &str,
    now: Timestamp,
    members: &[String],
) -> Result<Vec<PurchaseRow>> {
    let members = serde_json::Value::from(members).to_string();
    db.all(OF_MEMBERS, args![organization, now, members, SHOWN_WITH_MEMBER_MAX]).await
}
