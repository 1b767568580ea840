//! The tables `entitlements` and `tiers`.

mod around;
mod churns;
#[macro_use]
mod covers;
mod grants;
mod offer;
mod read;

pub use around::{Around, around};
pub use churns::note_churns;
pub use grants::{GrantRow, by_reference, extensions, grant, grants, insert_grant, revoke_grant};
pub use offer::{NewTier, TierEdit, edit_tier, forget_tier, insert_tier, lock_tier, tier_in};
pub use read::{EntitlementRow, TierRow, default_tier, of_members, tier, tiers};

use std::collections::BTreeMap;

use super::model::{Changes, Present, ProductFacts, Source, Spans, Wanted};
use crate::{
    args,
    of_each,
    kernel::{
        Env, Timestamp,
        db::{Db, Result, Row, Sql, Tx},
    },
};

const OF_MEMBERS: Sql = of_each!(
    "id, member_id, product_id, source_kind, source_id, started_at, ended_at, resumes_at, resumed_until, monthly_amount,
        note",
    "entitlements WHERE organization_id = $1",
    "member_id", "$2", " ORDER BY id"
);
/// One statement for new rows and for those that are written over: the latter stay what they are of.
const PUT: Sql = Sql::both(
    "INSERT INTO entitlements (id, organization_id, member_id, product_id, source_kind, source_id, started_at,
        ended_at, resumes_at, resumed_until, monthly_amount, note, created_at, updated_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
     ON CONFLICT (id) DO UPDATE SET started_at = excluded.started_at, ended_at = excluded.ended_at,
        resumes_at = excluded.resumes_at, resumed_until = excluded.resumed_until,
        monthly_amount = excluded.monthly_amount, note = excluded.note, updated_at = excluded.updated_at",
);
const DELETE: Sql = Sql::split(
    "DELETE FROM entitlements WHERE organization_id = $1 AND id IN (SELECT value FROM json_each($2))",
    "DELETE FROM entitlements WHERE organization_id = $1
       AND id = ANY (ARRAY(SELECT jsonb_array_elements_text($2::jsonb)))",
);
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

#[derive(sqlx::FromRow)]
struct PresentRow {
    id: String,
    member_id: String,
    product_id: String,
    source_kind: String,
    source_id: String,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
    resumes_at: Option<Timestamp>,
    resumed_until: Option<Timestamp>,
    monthly_amount: i64,
    note: Option<String>,
}

impl PresentRow {
    /// The member and the row; `None` when a newer memberd has written a source that is not known here.
    fn read(self) -> Option<(String, Present)> {
        let present = Present {
            source: Source::parse(&self.source_kind)?,
            spans: Spans {
                started_at: self.started_at,
                ended_at: self.ended_at,
                resumes_at: self.resumes_at,
                resumed_until: self.resumed_until,
            },
            id: self.id,
            product_id: self.product_id,
            source_id: self.source_id,
            monthly_amount: self.monthly_amount,
            note: self.note,
        };
        Some((self.member_id, present))
    }
}

/// The entitlements of several members, by member.
pub async fn present_of(
    tx: &mut Tx,
    organization: &str,
    members: &[&str],
) -> Result<BTreeMap<String, Vec<Present>>> {
    let ids = serde_json::Value::from(members).to_string();
    let rows: Vec<PresentRow> = tx.all(OF_MEMBERS, args![organization, ids]).await?;
    let mut found: BTreeMap<String, Vec<Present>> = BTreeMap::new();
    for (member, row) in rows.into_iter().filter_map(PresentRow::read) {
        found.entry(member).or_default().push(row);
    }
    Ok(found)
}

/// Writes what [`super::model::diff`] found for each member.
pub async fn apply(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    changes: &[(&str, Changes)],
) -> Result<()> {
    let (mut rows, mut gone) = (Vec::new(), Vec::new());
    for (member, Changes { add, set, remove }) in changes {
        rows.extend(add.iter().map(|want| row(env.id("ent"), organization, member, want, env.now())));
        rows.extend(set.iter().map(|(id, want)| row(id.clone(), organization, member, want, env.now())));
        gone.extend(remove.iter().map(String::as_str));
    }
    tx.insert(PUT, &rows).await?;
    if !gone.is_empty() {
        tx.execute(DELETE, args![organization, serde_json::Value::from(gone).to_string()]).await?;
    }
    Ok(())
}

fn row<'a>(id: String, organization: &'a str, member: &'a str, want: &'a Wanted, now: Timestamp) -> Row<'a> {
    args![
        id,
        organization,
        member,
        &want.product_id,
        want.source.as_str(),
        &want.source_id,
        want.spans.started_at,
        want.spans.ended_at,
        want.spans.resumes_at,
        want.spans.resumed_until,
        want.monthly_amount,
        want.note,
        now,
        now
    ]
    .to_vec()
}

const POLICY: Sql = Sql::both("SELECT policy FROM access_policies WHERE organization_id = $1");
const PUT_POLICY: Sql = Sql::both(
    "INSERT INTO access_policies (organization_id, policy, applied_at) VALUES ($1, $2, $3)
     ON CONFLICT (organization_id) DO UPDATE SET policy = excluded.policy, applied_at = excluded.applied_at",
);

/// The policy by which an organization's entitlements were derived, as [`super::policy_text`] writes it.
pub async fn policy(db: &Db, organization: &str) -> Result<Option<String>> {
    let row: Option<(String,)> = db.optional(POLICY, args![organization]).await?;
    Ok(row.map(|row| row.0))
}

/// Notes by which policy all entitlements of an organization are derived.
pub async fn put_policy(
    tx: &mut Tx,
    organization: &str,
    policy: &str,
    now: Timestamp,
) -> Result<()> {
    tx.execute(PUT_POLICY, args![organization, policy, now]).await?;
    Ok(())
}

const HAS_PRODUCT: Sql = Sql::both("SELECT id FROM tiers WHERE organization_id = $1 AND id = $2");

/// Whether there is such a product.
pub async fn has_product(tx: &mut Tx, organization: &str, product: &str) -> Result<bool> {
    let row: Option<(String,)> = tx.optional(HAS_PRODUCT, args![organization, product]).await?;
    Ok(row.is_some())
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
