//! The table `sync_parked`: organizations whose key Stripe refuses.

use serde::Serialize;

use crate::{
    args,
    kernel::{
        Timestamp,
        db::{Db, Result, Sql, Tx},
    },
};

/// Why and since when an organization's work waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Parked {
    /// What Stripe said.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

const GET: Sql = Sql::both("SELECT reason, since FROM sync_parked WHERE organization_id = $1");
const PUT: Sql = Sql::both(
    "INSERT INTO sync_parked (organization_id, reason, since) VALUES ($1, $2, $3)
     ON CONFLICT (organization_id) DO NOTHING",
);
const DELETE: Sql = Sql::both("DELETE FROM sync_parked WHERE organization_id = $1");

/// Whether an organization is parked.
pub async fn get(db: &Db, organization: &str) -> Result<Option<Parked>> {
    db.optional(GET, args![organization]).await
}

/// Parks an organization; answers whether it was not parked before.
pub async fn put(tx: &mut Tx, organization: &str, parked: &Parked) -> Result<bool> {
    Ok(tx.execute(PUT, args![organization, &parked.reason, parked.since]).await? == 1)
}

/// Lets an organization's work go on.
pub async fn delete(tx: &mut Tx, organization: &str) -> Result<()> {
    tx.execute(DELETE, args![organization]).await?;
    Ok(())
}
