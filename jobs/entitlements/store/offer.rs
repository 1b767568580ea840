//! What people decide about tiers: making one, and what is ours about it.

use super::read::TierRow;
use crate::{
    args,
    kernel::{
        Timestamp,
        db::{Result, Sql, Tx},
    },
};

/// A tier to make. It is not on sale before its product is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewTier<'a> {
    /// The id that its product will have.
    pub id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its description.
    pub description: Option<&'a str>,
}

/// What people change about a tier without Stripe; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct TierEdit {
    /// Whether members without a paid tier are in it. `true` takes it from the tier that was it.
    pub is_default: Option<bool>,
    /// What it offers.
    pub benefits: Option<Vec<String>>,
    /// Most members it may have; `Some(None)`: any number.
    pub limit: Option<Option<i64>>,
    /// Whether it is shown to people.
    pub visible: Option<bool>,
}

const INSERT: Sql = Sql::both(
    "INSERT INTO tiers (organization_id, id, name, description, active, created_at, updated_at)
     VALUES ($1, $2, $3, $4, FALSE, $5, $5)",
);
/// One that never came into being: its product was refused.
const FORGET: Sql =
    Sql::both("DELETE FROM tiers WHERE organization_id = $1 AND id = $2 AND NOT active");
const LOCK: Sql = Sql::split(
    "SELECT id FROM tiers WHERE organization_id = $1 AND id = $2",
    "SELECT id FROM tiers WHERE organization_id = $1 AND id = $2 FOR UPDATE",
);
const DROP_DEFAULT: Sql = Sql::both(
    "UPDATE tiers SET is_default = FALSE WHERE organization_id = $1 AND is_default AND id <> $2",
);
const EDIT_DEFAULT: Sql = Sql::both(
    "UPDATE tiers SET is_default = $3, edited_at = $4, updated_at = $4 WHERE organization_id = $1 AND id = $2",
);
const EDIT_BENEFITS: Sql = Sql::both(
    "UPDATE tiers SET benefits = $3, edited_at = $4, updated_at = $4 WHERE organization_id = $1 AND id = $2",
);
const EDIT_LIMIT: Sql = Sql::both(
    "UPDATE tiers SET member_limit = $3, updated_at = $4 WHERE organization_id = $1 AND id = $2",
);
const EDIT_VISIBLE: Sql = Sql::both(
    "UPDATE tiers SET visible = $3, updated_at = $4 WHERE organization_id = $1 AND id = $2",
);

/// Writes a tier whose product is about to be made.
pub async fn insert_tier(
    tx: &mut Tx,
    organization: &str,
    new: &NewTier<'_>,
    now: Timestamp,
) -> Result<()> {
    let row = args![organization, new.id, new.name, new.description, now];
    tx.execute(INSERT, row).await?;
    Ok(())
}

/// Forgets a tier whose product was never made.
pub async fn forget_tier(tx: &mut Tx, organization: &str, id: &str) -> Result<()> {
    tx.execute(FORGET, args![organization, id]).await?;
    Ok(())
}

/// Locks a tier until the transaction ends; answers whether it is there.
pub async fn lock_tier(tx: &mut Tx, organization: &str, id: &str) -> Result<bool> {
    let row: Option<(String,)> = tx.optional(LOCK, args![organization, id]).await?;
    Ok(row.is_some())
}

/// One tier, as this transaction sees it.
pub async fn tier_in(tx: &mut Tx, organization: &str, id: &str) -> Result<Option<TierRow>> {
    tx.optional(super::read::TIER, args![organization, id])
        .await
}

/// Edits a tier; from then on Stripe's word about default and benefits no longer counts for it, if they were edited.
/// Answers whether there is such a tier.
pub async fn edit_tier(
    tx: &mut Tx,
    organization: &str,
    id: &str,
    edit: &TierEdit,
    now: Timestamp,
) -> Result<bool> {
    if !lock_tier(tx, organization, id).await? {
        return Ok(false);
    }
    if let Some(is_default) = edit.is_default {
        if is_default {
            tx.execute(DROP_DEFAULT, args![organization, id]).await?;
        }
        tx.execute(EDIT_DEFAULT, args![organization, id, is_default, now])
            .await?;
    }
    if let Some(benefits) = &edit.benefits {
        let benefits = serde_json::Value::from(benefits.clone()).to_string();
        tx.execute(EDIT_BENEFITS, args![organization, id, benefits, now])
            .await?;
    }
    if let Some(limit) = edit.limit {
        tx.execute(EDIT_LIMIT, args![organization, id, limit, now])
            .await?;
    }
    if let Some(visible) = edit.visible {
        tx.execute(EDIT_VISIBLE, args![organization, id, visible, now])
            .await?;
    }
    Ok(true)
}
