//! Places in tiers: who has one, and who has reserved one.

use super::Row;
use crate::{
    args,
    kernel::{
        Timestamp,
        db::{Result, Sql, Tx},
    },
};

const MEMBER: Sql = Sql::both(
    "SELECT email FROM members WHERE organization_id = $1 AND id = $2 AND deleted_at IS NULL",
);
const CUSTOMER: Sql = Sql::both(
    "SELECT id FROM customers WHERE organization_id = $1 AND member_id = $2 AND NOT deleted
     ORDER BY created_at, id LIMIT 1",
);
/// A first payment that is still missing can be made good by another checkout, so it is no subscription yet.
const SUBSCRIBED: Sql = Sql::both(
    "SELECT count(*) FROM subscriptions AS s
     JOIN customers AS c ON c.organization_id = s.organization_id AND c.id = s.customer_id
     JOIN subscription_items AS i ON i.organization_id = s.organization_id AND i.subscription_id = s.id
     WHERE s.organization_id = $1 AND c.member_id = $2 AND i.product_id = $3 AND NOT s.deleted
       AND s.status NOT IN ('canceled', 'incomplete', 'incomplete_expired')",
);
/// Everybody counts once, whether she has the tier, pays for it just now, or both.
const TAKEN: Sql = Sql::both(concat!(
    "SELECT count(*) FROM (
        SELECT e.member_id FROM entitlements AS e WHERE e.organization_id = $1 AND e.product_id = $2 AND ",
    gives_access!("e", "$4"),
    " UNION
        SELECT member_id FROM tier_reservations WHERE organization_id = $1 AND tier_id = $2 AND until_at > $4
     ) AS places WHERE member_id <> $3"
));
const RESERVE: Sql = Sql::both(
    "INSERT INTO tier_reservations (organization_id, tier_id, member_id, operation_id, until_at)
     VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (organization_id, tier_id, member_id) DO UPDATE SET operation_id = excluded.operation_id,
        until_at = excluded.until_at",
);
const RESERVATION: Sql = Sql::both(
    "SELECT operation_id FROM tier_reservations
     WHERE organization_id = $1 AND tier_id = $2 AND member_id = $3 AND until_at > $4",
);
const FREE: Sql =
    Sql::both("DELETE FROM tier_reservations WHERE organization_id = $1 AND operation_id = $2");

/// The address of a living member, if there is such a member.
pub(in crate::operations) async fn member(
    tx: &mut Tx,
    organization: &str,
    id: &str,
) -> Result<Option<Option<String>>> {
    let row: Option<(Option<String>,)> = tx.optional(MEMBER, args![organization, id]).await?;
    Ok(row.map(|row| row.0))
}

/// The oldest living customer of a member.
pub(in crate::operations) async fn customer(
    tx: &mut Tx,
    organization: &str,
    member: &str,
) -> Result<Option<String>> {
    let row: Option<(String,)> = tx.optional(CUSTOMER, args![organization, member]).await?;
    Ok(row.map(|row| row.0))
}

/// Whether a member has a subscription to a tier.
pub(in crate::operations) async fn is_subscribed(
    tx: &mut Tx,
    organization: &str,
    member: &str,
    tier: &str,
) -> Result<bool> {
    let (count,): (i64,) = tx
        .one(SUBSCRIBED, args![organization, member, tier])
        .await?;
    Ok(count > 0)
}

/// Places of a tier that others have or have reserved.
pub(in crate::operations) async fn taken(
    tx: &mut Tx,
    organization: &str,
    tier: &str,
    member: &str,
    now: Timestamp,
) -> Result<i64> {
    let (count,): (i64,) = tx
        .one(TAKEN, args![organization, tier, member, now])
        .await?;
    Ok(count)
}

/// Keeps a place for a member; it takes the place of the one she had.
pub(in crate::operations) async fn reserve(
    tx: &mut Tx,
    organization: &str,
    tier: &str,
    member: &str,
    operation: &str,
    until: Timestamp,
) -> Result<()> {
    tx.execute(RESERVE, args![organization, tier, member, operation, until])
        .await?;
    Ok(())
}

/// The operation for which a member has a place at present.
pub(in crate::operations) async fn reservation(
    tx: &mut Tx,
    organization: &str,
    tier: &str,
    member: &str,
    now: Timestamp,
) -> Result<Option<Row>> {
    let row: Option<(String,)> = tx
        .optional(RESERVATION, args![organization, tier, member, now])
        .await?;
    match row {
        Some((id,)) => super::get_in(tx, organization, &id).await,
        None => Ok(None),
    }
}

/// Gives the place back that was kept for an operation.
pub(in crate::operations) async fn free(
    tx: &mut Tx,
    organization: &str,
    operation: &str,
) -> Result<()> {
    tx.execute(FREE, args![organization, operation]).await?;
    Ok(())
}
