//! What rebuilding the projections reads of the raw objects, and the rows that none of them stands behind.

use super::objects::Scope;
use crate::{
    args,
    kernel::{
        db::{Db, Result, Sql, Tx},
        ports::ObjectType,
    },
};

/// A raw object, or the tombstone of one.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Raw {
    /// Stripe's id.
    pub id: String,
    /// Stripe's JSON.
    pub raw: String,
    /// Whether it is a tombstone.
    pub deleted: bool,
}

/// Locked until the transaction ends, so that nothing newer is written meanwhile; SQLite has one writer anyhow.
const PAGE: Sql = Sql::split(
    "SELECT id, raw, deleted FROM stripe_objects
     WHERE organization_id = $1 AND account = $2 AND livemode = $3 AND type = $4 AND id > $5 ORDER BY id LIMIT $6",
    "SELECT id, raw, deleted FROM stripe_objects
     WHERE organization_id = $1 AND account = $2 AND livemode = $3 AND type = $4 AND id > $5 ORDER BY id LIMIT $6
     FOR UPDATE",
);
const COUNT: Sql = Sql::both(
    "SELECT (SELECT count(*) FROM stripe_objects WHERE organization_id = $1 AND account = $2 AND livemode = $3)
        + (SELECT count(DISTINCT member_id) FROM customers WHERE organization_id = $1)",
);
const MEMBERS: Sql = Sql::both(
    "SELECT DISTINCT member_id FROM customers
     WHERE organization_id = $1 AND member_id IS NOT NULL AND member_id > $2 ORDER BY member_id LIMIT $3",
);
const SWEEP_ITEMS: Sql = Sql::both(
    "DELETE FROM subscription_items WHERE organization_id = $1 AND subscription_id NOT IN
        (SELECT id FROM subscriptions WHERE organization_id = $1)",
);

macro_rules! swept {
    ($table:literal) => {
        Sql::both(concat!(
            "DELETE FROM ",
            $table,
            " WHERE organization_id = $1 AND NOT EXISTS
                (SELECT 1 FROM stripe_objects AS o WHERE o.organization_id = $1 AND o.account = $2
                 AND o.livemode = $3 AND o.type = $4 AND o.id = ",
            $table,
            ".id)"
        ))
    };
}

const fn orphans(kind: ObjectType) -> Sql {
    match kind {
        ObjectType::Customer => swept!("customers"),
        ObjectType::Product => swept!("products"),
        ObjectType::Price => swept!("prices"),
        ObjectType::Subscription => swept!("subscriptions"),
        ObjectType::Invoice => swept!("invoices"),
        ObjectType::Coupon => swept!("coupons"),
        ObjectType::PromotionCode => swept!("promotion_codes"),
        ObjectType::PaymentMethod => swept!("payment_methods"),
        ObjectType::SubscriptionSchedule => swept!("subscription_schedules"),
        ObjectType::InvoicePayment => swept!("invoice_payments"),
        ObjectType::Charge => swept!("charges"),
        ObjectType::Refund => swept!("refunds"),
        ObjectType::CheckoutSession => swept!("checkout_sessions"),
        ObjectType::Account => swept!("stripe_accounts"),
    }
}

/// One page of the raw objects of a type, tombstones too, by id, after `after`.
pub async fn page(
    tx: &mut Tx,
    scope: &Scope<'_>,
    kind: ObjectType,
    after: &str,
    limit: i64,
) -> Result<Vec<Raw>> {
    let stripe = scope.stripe;
    let key = args![scope.organization, &stripe.account, stripe.livemode, kind.as_str(), after, limit];
    tx.all(PAGE, key).await
}

/// Raw objects and linked members in all.
pub async fn count(db: &Db, scope: &Scope<'_>) -> Result<i64> {
    let key = args![scope.organization, &scope.stripe.account, scope.stripe.livemode];
    let row: Option<(i64,)> = db.optional(COUNT, key).await?;
    Ok(row.map_or(0, |row| row.0))
}

/// One page of the members that customers are linked to, by id, after `after`.
pub async fn members(db: &Db, organization: &str, after: &str, limit: i64) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = db.all(MEMBERS, args![organization, after, limit]).await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Deletes the rows of a type behind which there is no raw object.
pub async fn sweep(tx: &mut Tx, scope: &Scope<'_>, kind: ObjectType) -> Result<()> {
    let stripe = scope.stripe;
    let key = args![scope.organization, &stripe.account, stripe.livemode, kind.as_str()];
    tx.execute(orphans(kind), key).await?;
    if kind == ObjectType::Subscription {
        tx.execute(SWEEP_ITEMS, args![scope.organization]).await?;
    }
    Ok(())
}
