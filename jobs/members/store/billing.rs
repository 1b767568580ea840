//! What is worked out for a member and kept beside her: status, tier, products, and when they change by themselves.

use serde_json::json;

use crate::{
    args,
    of_each,
    kernel::{
        Timestamp,
        db::{Db, Result, Sql, Tx},
    },
};

macro_rules! locked {
    ($condition:literal, $lock:literal) => {
        concat!(
            "SELECT organization_id, id, status, tier_id, tier_amount, products, changes_at, evaluated_at, deleted_at
             FROM members WHERE ",
            $condition,
            $lock
        )
    };
}

/// In the order of their ids, so that two who lock many never wait for each other. Keys never change, so rows that refer
/// to a member may be inserted meanwhile, and their transactions do not wait for each other in a circle.
const LOCK: Sql = of_each!(
    "organization_id, id, status, tier_id, tier_amount, products, changes_at, evaluated_at, deleted_at",
    "members WHERE organization_id = $1",
    "id", "$2", " ORDER BY id", " FOR NO KEY UPDATE"
);
/// Whoever holds a member works out what is true of her now, so that nobody waits for her here.
const LOCK_DUE: Sql = Sql::split(
    locked!("changes_at <= $1 ORDER BY changes_at LIMIT $2", ""),
    locked!("changes_at <= $1 ORDER BY changes_at LIMIT $2", " FOR NO KEY UPDATE SKIP LOCKED"),
);
const LOCK_AHEAD: Sql = Sql::split(
    locked!("evaluated_at > $1 ORDER BY evaluated_at DESC LIMIT $2", ""),
    locked!("evaluated_at > $1 ORDER BY evaluated_at DESC LIMIT $2", " FOR NO KEY UPDATE SKIP LOCKED"),
);
const SET: Sql = Sql::split(
    "UPDATE members SET status = v.status, tier_id = v.tier_id, tier_amount = v.tier_amount, products = v.products,
        changes_at = v.changes_at, evaluated_at = v.evaluated_at,
        updated_at = CASE WHEN v.is_visible THEN v.evaluated_at ELSE members.updated_at END
     FROM (SELECT value ->> 'organization_id' AS organization_id, value ->> 'id' AS id, value ->> 'status' AS status,
            value ->> 'tier_id' AS tier_id, value ->> 'tier_amount' AS tier_amount, value ->> 'products' AS products,
            value ->> 'changes_at' AS changes_at, value ->> 'evaluated_at' AS evaluated_at,
            value ->> 'is_visible' AS is_visible
         FROM json_each($1)) AS v
     WHERE members.organization_id = v.organization_id AND members.id = v.id",
    "UPDATE members SET status = v.status, tier_id = v.tier_id, tier_amount = v.tier_amount, products = v.products,
        changes_at = v.changes_at, evaluated_at = v.evaluated_at,
        updated_at = CASE WHEN v.is_visible THEN v.evaluated_at ELSE members.updated_at END
     FROM jsonb_to_recordset($1::jsonb) AS v (organization_id text, id text, status text, tier_id text,
        tier_amount bigint, products text, changes_at bigint, evaluated_at bigint, is_visible boolean)
     WHERE members.organization_id = v.organization_id AND members.id = v.id",
);
const HORIZON: Sql = Sql::both(
    "SELECT (SELECT min(changes_at) FROM members WHERE changes_at IS NOT NULL) AS next_change,
        (SELECT max(evaluated_at) FROM members WHERE evaluated_at IS NOT NULL) AS last_evaluation",
);

/// What was worked out for a member, under her lock.
#[derive(Clone, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Billing {
    /// The organization.
    pub organization_id: String,
    /// `mem_…`
    pub id: String,
    /// [`crate::members::BillingStatus`] as its word.
    pub status: String,
    /// The tier she pays for; `None` is the organization's default tier.
    pub tier_id: Option<String>,
    /// What it costs in a month, in minor units; `None` when it was never worked out.
    pub tier_amount: Option<i64>,
    /// The products she may use, as a JSON array; `None` when they were never worked out.
    pub products: Option<String>,
    /// When this may change by itself.
    pub changes_at: Option<Timestamp>,
    /// As of when it was last written.
    pub evaluated_at: Option<Timestamp>,
    /// Since when she is deleted.
    pub deleted_at: Option<Timestamp>,
}

/// How far the changes by the clock have come, over all organizations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Horizon {
    /// The earliest moment at which a member may change.
    pub next_change: Option<Timestamp>,
    /// The latest moment as of which a member was worked out; it is in the future when the clock was set back.
    pub last_evaluation: Option<Timestamp>,
}

/// Locks a member until the transaction ends.
pub async fn lock(tx: &mut Tx, organization: &str, id: &str) -> Result<Option<Billing>> {
    Ok(lock_many(tx, organization, &[id]).await?.pop())
}

/// Locks members until the transaction ends, so that what is derived for each is derived by one at a time.
pub async fn lock_many(tx: &mut Tx, organization: &str, ids: &[&str]) -> Result<Vec<Billing>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids = serde_json::Value::from(ids).to_string();
    tx.all(LOCK, args![organization, ids]).await
}

/// Locks members who may have changed by `now`, and those who were worked out as of a moment after `ahead`. Members
/// whom somebody else has locked are left out.
pub async fn lock_due(
    tx: &mut Tx,
    now: Timestamp,
    ahead: Timestamp,
    limit: i64,
) -> Result<Vec<Billing>> {
    let mut due: Vec<Billing> = tx.all(LOCK_DUE, args![now, limit]).await?;
    if due.is_empty() {
        due = tx.all(LOCK_AHEAD, args![ahead, limit]).await?;
    }
    Ok(due)
}

/// Writes what was worked out, each with whether people see the difference.
pub async fn set_billing(tx: &mut Tx, members: &[(Billing, bool)]) -> Result<()> {
    if members.is_empty() {
        return Ok(());
    }
    let row = |(billing, is_visible): &(Billing, bool)| {
        json!({ "organization_id": billing.organization_id, "id": billing.id, "status": billing.status,
                "tier_id": billing.tier_id, "tier_amount": billing.tier_amount, "products": billing.products,
                "changes_at": billing.changes_at.map(|at| at.0),
                "evaluated_at": billing.evaluated_at.map(|at| at.0), "is_visible": is_visible })
    };
    let rows: Vec<_> = members.iter().map(row).collect();
    tx.execute(SET, args![serde_json::Value::from(rows).to_string()]).await?;
    Ok(())
}

/// How far the changes by the clock have come.
pub async fn horizon(db: &Db) -> Result<Horizon> {
    db.one(HORIZON, &[]).await
}
