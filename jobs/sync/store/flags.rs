//! What people should look at: members who pay twice, who pay and may not come in, who come in and do not pay, and
//! products that are not known here. Worked out when asked for.

use crate::{
    args,
    kernel::{
        Timestamp,
        db::{Db, Result, Sql},
    },
};

/// One sort of flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FlagKind {
    /// Two or more subscriptions of one member run at once.
    SeveralSubscriptions,
    /// The present period of a subscription is paid, and it gives no access.
    PaidWithoutAccess,
    /// A subscription gives access, and its last invoice is not paid. The grace of `past_due` is none.
    AccessWithoutPayment,
    /// A running subscription contains a product that the mirror does not have.
    ForeignProduct,
}

impl FlagKind {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::SeveralSubscriptions,
        Self::PaidWithoutAccess,
        Self::AccessWithoutPayment,
        Self::ForeignProduct,
    ];

    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SeveralSubscriptions => "several_subscriptions",
            Self::PaidWithoutAccess => "paid_without_access",
            Self::AccessWithoutPayment => "access_without_payment",
            Self::ForeignProduct => "foreign_product",
        }
    }

    const fn sql(self) -> Sql {
        match self {
            Self::SeveralSubscriptions => SEVERAL,
            Self::PaidWithoutAccess => PAID,
            Self::AccessWithoutPayment => UNPAID,
            Self::ForeignProduct => FOREIGN,
        }
    }
}

/// A subscription to look at.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Flag {
    /// The subscription.
    pub subscription_id: String,
    /// Its customer.
    pub customer_id: String,
    /// The member behind it, once it is linked.
    pub member_id: Option<String>,
    /// Stripe's status of the subscription.
    pub status: String,
    /// The product that is not known, or the invoice that decided.
    pub about: Option<String>,
}

/// Whether an entitlement of the subscription gives access at $2.
macro_rules! may_come_in {
    ($note:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM entitlements AS e WHERE e.organization_id = $1 AND e.member_id = c.member_id
                AND e.source_kind = 'subscription' AND e.source_id = s.id ",
            $note,
            " AND ",
            gives_access!("e", "$2"),
            ")"
        )
    };
}

macro_rules! flags {
    ($about:literal, $join:literal, $where:expr) => {
        concat!(
            "SELECT s.id AS subscription_id, s.customer_id, c.member_id, s.status, ",
            $about,
            " AS about FROM subscriptions AS s
             LEFT JOIN customers AS c ON c.organization_id = $1 AND c.id = s.customer_id ",
            $join,
            " WHERE s.organization_id = $1 AND NOT s.deleted AND CAST($2 AS BIGINT) > 0
               AND (CAST($3 AS TEXT) IS NULL OR s.id < $3) AND ",
            $where,
            " ORDER BY s.id DESC LIMIT $4"
        )
    };
}

const SEVERAL: Sql = Sql::both(flags!(
    "CAST(NULL AS TEXT)",
    "",
    "s.status IN ('active', 'trialing', 'past_due') AND c.member_id IN (
        SELECT c2.member_id FROM subscriptions AS s2
        JOIN customers AS c2 ON c2.organization_id = $1 AND c2.id = s2.customer_id
        WHERE s2.organization_id = $1 AND NOT s2.deleted AND s2.status IN ('active', 'trialing', 'past_due')
        GROUP BY c2.member_id HAVING count(*) > 1)"
));
const PAID: Sql = Sql::both(flags!(
    "i.id",
    "JOIN invoices AS i ON i.organization_id = $1 AND i.id = s.latest_invoice_id",
    concat!(
        "i.status = 'paid' AND i.amount_paid > 0 AND s.status <> 'canceled' AND s.current_period_end > $2 AND NOT ",
        may_come_in!("")
    )
));
const UNPAID: Sql = Sql::both(flags!(
    "i.id",
    "JOIN invoices AS i ON i.organization_id = $1 AND i.id = s.latest_invoice_id",
    concat!(
        "i.status IN ('open', 'uncollectible') AND i.amount_remaining > 0 AND i.attempt_count > 0 AND ",
        may_come_in!("AND NOT (coalesce(e.note, '') = 'past_due' AND e.ended_at IS NOT NULL)")
    )
));
const FOREIGN: Sql = Sql::both(flags!(
    "f.product_id",
    "JOIN (SELECT t.subscription_id, min(t.product_id) AS product_id FROM subscription_items AS t
        WHERE t.organization_id = $1 AND NOT EXISTS (SELECT 1 FROM products AS p
            WHERE p.organization_id = $1 AND p.id = t.product_id AND NOT p.deleted)
        GROUP BY t.subscription_id) AS f ON f.subscription_id = s.id",
    "s.status NOT IN ('canceled', 'incomplete_expired')"
));

/// Flags of one sort, by subscription downwards, those below `before`.
pub async fn flags(
    db: &Db,
    organization: &str,
    kind: FlagKind,
    now: Timestamp,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<Flag>> {
    db.all(kind.sql(), args![organization, now, before, limit]).await
}
