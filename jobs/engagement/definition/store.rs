//! Which version an organization's scores follow, and the time zones of creators.

use crate::{
    args,
    kernel::db::{Db, Result, Sql},
};

const CURRENT: Sql =
    Sql::both("SELECT version FROM engagement_state WHERE organization_id = $1");
const ZONE: Sql =
    Sql::both("SELECT time_zone FROM creators WHERE organization_id = $1 AND id = $2");

/// The version that an organization's scores follow; `None`: nothing was ever counted.
pub(super) async fn current(db: &Db, organization: &str) -> Result<Option<i64>> {
    let row: Option<(i64,)> = db.optional(CURRENT, args![organization]).await?;
    Ok(row.map(|row| row.0))
}

/// A creator's own time zone.
pub(super) async fn zone(db: &Db, organization: &str, creator: &str) -> Result<Option<String>> {
    let row: Option<(Option<String>,)> = db.optional(ZONE, args![organization, creator]).await?;
    Ok(row.and_then(|row| row.0))
}
