//! The table `link_conflicts`: customers whose sources do not agree about their member.

use crate::{
    args,
    kernel::{
        Timestamp,
        db::{Db, Result, Sql, Tx},
    },
};

/// A customer whose sources do not agree.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Conflict {
    /// `cus_…`
    pub customer_id: String,
    /// The word of a [`crate::members::Disagreement`].
    pub kind: String,
    /// Whom the customer is linked to.
    pub member_id: Option<String>,
    /// Whom the other source names.
    pub claimed: String,
    /// When it was first seen.
    pub first_seen_at: Timestamp,
    /// When it was last seen.
    pub last_seen_at: Timestamp,
}

macro_rules! open {
    ($rest:literal) => {
        concat!(
            "SELECT customer_id, kind, member_id, claimed, first_seen_at, last_seen_at FROM link_conflicts
             WHERE organization_id = $1 AND resolved_at IS NULL ",
            $rest
        )
    };
}

const OF_CUSTOMERS: Sql = Sql::split(
    open!("AND customer_id IN (SELECT value FROM json_each($2)) ORDER BY customer_id, kind"),
    open!("AND customer_id = ANY (ARRAY(SELECT jsonb_array_elements_text($2::jsonb))) ORDER BY customer_id, kind"),
);
const OF_MEMBER: Sql = Sql::both(open!("AND member_id = $2 ORDER BY customer_id, kind"));
const LIST: Sql = Sql::both(open!(
    "AND (CAST($2 AS BIGINT) IS NULL OR (first_seen_at, customer_id || '/' || kind) < ($2, $3))
     ORDER BY first_seen_at DESC, customer_id || '/' || kind DESC LIMIT $4"
));
const COUNT: Sql = Sql::both(
    "SELECT count(*) FROM link_conflicts WHERE organization_id = $1 AND resolved_at IS NULL",
);
const CUSTOMERS_AFTER: Sql = Sql::both(
    "SELECT DISTINCT customer_id FROM link_conflicts
     WHERE organization_id = $1 AND resolved_at IS NULL AND customer_id > $2 ORDER BY customer_id LIMIT $3",
);
/// Seen again after it was resolved, it begins anew.
const PUT: Sql = Sql::both(
    "INSERT INTO link_conflicts (organization_id, customer_id, kind, member_id, claimed, first_seen_at, last_seen_at)
     VALUES ($1, $2, $3, $4, $5, $6, $6)
     ON CONFLICT (organization_id, customer_id, kind) DO UPDATE SET member_id = excluded.member_id,
        claimed = excluded.claimed, last_seen_at = excluded.last_seen_at, resolved_at = NULL,
        first_seen_at = CASE WHEN link_conflicts.resolved_at IS NULL THEN link_conflicts.first_seen_at
                             ELSE excluded.first_seen_at END",
);
const RESOLVE: Sql = Sql::both(
    "UPDATE link_conflicts SET resolved_at = $4
     WHERE organization_id = $1 AND customer_id = $2 AND kind = $3 AND resolved_at IS NULL",
);

/// The open conflicts of customers.
pub async fn of_customers(
    tx: &mut Tx,
    organization: &str,
    customers: &[&str],
) -> Result<Vec<Conflict>> {
    let ids = serde_json::Value::from(customers).to_string();
    tx.all(OF_CUSTOMERS, args![organization, ids]).await
}

/// The open conflicts of a member's customers.
pub async fn of_member(db: &Db, organization: &str, member: &str) -> Result<Vec<Conflict>> {
    db.all(OF_MEMBER, args![organization, member]).await
}

/// Open conflicts, the newest first. A position is the time first seen, and customer and kind with a `/` between.
pub async fn list(
    db: &Db,
    organization: &str,
    before: Option<(Timestamp, &str)>,
    limit: i64,
) -> Result<Vec<Conflict>> {
    let (time, last) = before.unzip();
    db.all(LIST, args![organization, time, last, limit]).await
}

/// Customers with open conflicts, upwards from above `after`.
pub async fn customers_after(
    db: &Db,
    organization: &str,
    after: &str,
    limit: i64,
) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = db.all(CUSTOMERS_AFTER, args![organization, after, limit]).await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// How many conflicts are open.
pub async fn count(db: &Db, organization: &str) -> Result<i64> {
    let (count,): (i64,) = db.one(COUNT, args![organization]).await?;
    Ok(count)
}

/// Notes conflicts, also those that are there already.
pub async fn put(tx: &mut Tx, organization: &str, conflicts: &[Conflict]) -> Result<()> {
    let row = |one: &Conflict| {
        let Conflict { customer_id, kind, member_id, claimed, last_seen_at, .. } = one.clone();
        args![organization, customer_id, kind, member_id, claimed, last_seen_at].to_vec()
    };
    let rows: Vec<_> = conflicts.iter().map(row).collect();
    tx.insert(PUT, &rows).await?;
    Ok(())
}

/// Notes that a conflict is over.
pub async fn resolve(
    tx: &mut Tx,
    organization: &str,
    customer: &str,
    kind: &str,
    now: Timestamp,
) -> Result<()> {
    tx.execute(RESOLVE, args![organization, customer, kind, now]).await?;
    Ok(())
}
