//! The tables `entitlements` and `tiers`.

mod offer;
mod read;

pub use offer::{NewTier, TierEdit, edit_tier, forget_tier, insert_tier, lock_tier, tier_in};
pub use read::{EntitlementRow, TierRow, default_tier, of_members, tier, tiers};

use super::model::{Changes, Present, ProductFacts, Wanted};
use crate::{
    args,
    kernel::{
        Env,
        db::{Result, Sql, Tx},
    },
};

const OF_MEMBER: Sql = Sql::both(
    "SELECT id, product_id, source_id, started_at, ended_at, note FROM entitlements
     WHERE organization_id = $1 AND member_id = $2 AND source_kind = 'subscription' ORDER BY id",
);
const INSERT: Sql = Sql::both(
    "INSERT INTO entitlements (id, organization_id, member_id, product_id, source_kind, source_id, started_at,
        ended_at, note, created_at, updated_at)
     VALUES ($1, $2, $3, $4, 'subscription', $5, $6, $7, $8, $9, $9)",
);
const UPDATE: Sql = Sql::both(
    "UPDATE entitlements SET started_at = $3, ended_at = $4, note = $5, updated_at = $6
     WHERE organization_id = $1 AND id = $2",
);
const DELETE: Sql = Sql::both("DELETE FROM entitlements WHERE organization_id = $1 AND id = $2");
const UPSERT_TIER: Sql = Sql::both(
    "INSERT INTO tiers (organization_id, id, name, description, active, is_default_in_stripe, benefits,
        created_at, updated_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
     ON CONFLICT (organization_id, id) DO UPDATE SET name = excluded.name, description = excluded.description,
        active = excluded.active, is_default_in_stripe = excluded.is_default_in_stripe,
        benefits = CASE WHEN tiers.edited_at IS NULL THEN excluded.benefits ELSE tiers.benefits END,
        updated_at = excluded.updated_at",
);
const RETIRE_TIER: Sql = Sql::both(
    "UPDATE tiers SET active = FALSE, is_default_in_stripe = FALSE, updated_at = $3
     WHERE organization_id = $1 AND id = $2",
);
const CLEAR_DEFAULT: Sql = Sql::both(
    "UPDATE tiers SET is_default = FALSE WHERE organization_id = $1 AND is_default AND edited_at IS NULL",
);
/// A default chosen here stays; else the first product that says so in Stripe.
const CHOOSE_DEFAULT: Sql = Sql::both(
    "UPDATE tiers SET is_default = TRUE
     WHERE organization_id = $1
       AND NOT EXISTS (SELECT 1 FROM tiers AS t WHERE t.organization_id = $1 AND t.is_default)
       AND id = (SELECT min(id) FROM tiers AS t
                 WHERE t.organization_id = $1 AND t.is_default_in_stripe AND t.active AND t.edited_at IS NULL)",
);

/// A member's entitlements from subscriptions.
pub async fn of_member(tx: &mut Tx, organization: &str, member: &str) -> Result<Vec<Present>> {
    tx.all(OF_MEMBER, args![organization, member]).await
}

/// Writes what [`super::model::diff`] found.
pub async fn apply(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    member: &str,
    changes: &Changes,
) -> Result<()> {
    let now = env.now();
    for Wanted {
        product_id,
        subscription_id,
        started_at,
        ended_at,
        note,
    } in &changes.add
    {
        let id = env.id("ent");
        let row = args![
            &id,
            organization,
            member,
            product_id,
            subscription_id,
            *started_at,
            *ended_at,
            *note,
            now
        ];
        tx.execute(INSERT, row).await?;
    }
    for (id, want) in &changes.set {
        let row = args![
            organization,
            id,
            want.started_at,
            want.ended_at,
            want.note,
            now
        ];
        tx.execute(UPDATE, row).await?;
    }
    for id in &changes.remove {
        tx.execute(DELETE, args![organization, id]).await?;
    }
    Ok(())
}

/// Mirrors a product as a tier and settles which tier is the default.
pub async fn upsert_tier(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    product: &ProductFacts,
) -> Result<()> {
    let benefits = serde_json::Value::from(product.benefits.clone()).to_string();
    let row = args![
        organization,
        &product.id,
        &product.name,
        &product.description,
        product.active,
        product.is_default,
        benefits,
        env.now()
    ];
    tx.execute(UPSERT_TIER, row).await?;
    settle_default(tx, organization).await
}

/// Takes the tier of a deleted product off sale; members who paid for it keep it.
pub async fn retire_tier(tx: &mut Tx, env: &Env, organization: &str, product: &str) -> Result<()> {
    tx.execute(RETIRE_TIER, args![organization, product, env.now()])
        .await?;
    settle_default(tx, organization).await
}

async fn settle_default(tx: &mut Tx, organization: &str) -> Result<()> {
    tx.execute(CLEAR_DEFAULT, args![organization]).await?;
    tx.execute(CHOOSE_DEFAULT, args![organization]).await?;
    Ok(())
}
