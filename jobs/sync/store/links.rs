//! Which member is behind which customer.

use super::projections::Linked;
use crate::{
    args,
    of_each,
    kernel::db::{Result, Sql, Tx},
};

/// Row locks on the customers, in the order of their ids: whoever links them and whoever derives from the links come
/// one after the other.
const OF_CUSTOMERS: Sql = of_each!(
    "id, member_id, link, email",
    "customers WHERE organization_id = $1",
    "id", "$2", " ORDER BY id", " FOR UPDATE"
);

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    #[sqlx(flatten)]
    linked: Linked,
}

/// Reads and locks the links of those customers that are here.
pub async fn of_customers(
    tx: &mut Tx,
    organization: &str,
    ids: &[&str],
) -> Result<Vec<(String, Linked)>> {
    let ids = serde_json::Value::from(ids).to_string();
    let rows: Vec<Row> = tx.all(OF_CUSTOMERS, args![organization, ids]).await?;
    Ok(rows.into_iter().map(|row| (row.id, row.linked)).collect())
}
