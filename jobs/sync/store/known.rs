//! Which objects are known, whatever is known of them.

use std::collections::BTreeSet;

use super::objects::Scope;
use crate::{
    args,
    of_each,
    kernel::{
        db::{Result, Sql, Tx},
        ports::ObjectType,
    },
};

const KNOWN: Sql = of_each!(
    "id",
    "stripe_objects WHERE organization_id = $1 AND account = $2 AND livemode = $3 AND type = $4",
    "id", "$5", ""
);

/// Those of the ids that are here, tombstones too.
pub async fn of(
    tx: &mut Tx,
    scope: &Scope<'_>,
    kind: ObjectType,
    ids: &BTreeSet<String>,
) -> Result<BTreeSet<String>> {
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let ids = serde_json::Value::from(ids).to_string();
    let stripe = scope.stripe;
    let key = args![scope.organization, &stripe.account, stripe.livemode, kind.as_str(), ids];
    let rows: Vec<(String,)> = tx.all(KNOWN, key).await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}
