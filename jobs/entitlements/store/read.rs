//! What people read of entitlements and tiers, and what they edit.

use super::super::model::{Source, Spans};
use crate::{
    args,
    kernel::{
        Timestamp,
        db::{Db, Result, Sql},
    },
};

/// An entitlement as people see it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct EntitlementRow {
    /// `ent_…`
    pub id: String,
    /// Whose.
    pub member_id: String,
    /// Stripe's product.
    pub product_id: String,
    /// The product's name; `None` while the product has not been mirrored.
    pub product_name: Option<String>,
    /// What gave it: the word of a [`Source`].
    pub source_kind: String,
    /// The id of the subscription or the grant.
    pub source_id: String,
    /// From when.
    pub started_at: Timestamp,
    /// Until when; `None` is open.
    pub ended_at: Option<Timestamp>,
    /// From when again, after a pause.
    pub resumes_at: Option<Timestamp>,
    /// Until when again; `None` is open.
    pub resumed_until: Option<Timestamp>,
    /// Why it ends: `trial`, `period`, `cancels`, `past_due`, `unpaid`, `paused`, `collection_paused`, `canceled` or
    /// `revoked`; or why it never began: `incomplete`, `incomplete_expired` or `unknown_status`.
    pub note: Option<String>,
    /// When it was first derived.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl EntitlementRow {
    /// Whether it gives access at `now`: it is computed, never stored.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.spans().cover(self.source(), now)
    }

    /// What gave it. What a newer memberd has written counts as free access.
    pub fn source(&self) -> Source {
        Source::parse(&self.source_kind).unwrap_or(Source::Complimentary)
    }

    /// When it gives access.
    pub fn spans(&self) -> Spans {
        Spans {
            started_at: self.started_at,
            ended_at: self.ended_at,
            resumes_at: self.resumes_at,
            resumed_until: self.resumed_until,
        }
    }
}

/// A tier as people see it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct TierRow {
    /// Stripe's product id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// Whether it is on sale.
    pub active: bool,
    /// Whether members without a paid tier are in it.
    pub is_default: bool,
    /// What it offers, as a JSON array of texts.
    pub benefits: String,
    /// Most members it may have; `None` is any number.
    #[sqlx(rename = "member_limit")]
    pub limit: Option<i64>,
    /// Whether it is shown to people.
    pub visible: bool,
    /// When default or benefits were edited here.
    pub edited_at: Option<Timestamp>,
    /// When it became known here.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

macro_rules! tier_columns {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, description, active, is_default, benefits, member_limit, visible, edited_at, created_at,
                updated_at
             FROM tiers ",
            $rest
        )
    };
}

const OF_MEMBERS: Sql = Sql::split(
    "SELECT e.id, e.member_id, e.product_id, t.name AS product_name, e.source_kind, e.source_id, e.started_at,
        e.ended_at, e.resumes_at, e.resumed_until, e.note, e.created_at, e.updated_at
     FROM entitlements AS e LEFT JOIN tiers AS t ON t.organization_id = e.organization_id AND t.id = e.product_id
     WHERE e.organization_id = $1 AND e.member_id IN (SELECT value FROM json_each($2))
     ORDER BY e.member_id, e.id",
    "SELECT e.id, e.member_id, e.product_id, t.name AS product_name, e.source_kind, e.source_id, e.started_at,
        e.ended_at, e.resumes_at, e.resumed_until, e.note, e.created_at, e.updated_at
     FROM entitlements AS e LEFT JOIN tiers AS t ON t.organization_id = e.organization_id AND t.id = e.product_id
     WHERE e.organization_id = $1 AND e.member_id IN (SELECT jsonb_array_elements_text($2::jsonb))
     ORDER BY e.member_id, e.id",
);
const TIERS: Sql = Sql::both(tier_columns!(
    "WHERE organization_id = $1 AND (CAST($2 AS TEXT) IS NULL OR id < $2) ORDER BY id DESC LIMIT $3"
));
pub(super) const TIER: Sql = Sql::both(tier_columns!("WHERE organization_id = $1 AND id = $2"));
const DEFAULT: Sql = Sql::both("SELECT id FROM tiers WHERE organization_id = $1 AND is_default");
/// The entitlements of several members, ended ones too.
pub async fn of_members(
    db: &Db,
    organization: &str,
    members: &[String],
) -> Result<Vec<EntitlementRow>> {
    let ids = serde_json::Value::from(members).to_string();
    db.all(OF_MEMBERS, args![organization, ids]).await
}

/// Tiers of an organization by id, downwards, those below `before`.
pub async fn tiers(
    db: &Db,
    organization: &str,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<TierRow>> {
    db.all(TIERS, args![organization, before, limit]).await
}

/// One tier.
pub async fn tier(db: &Db, organization: &str, id: &str) -> Result<Option<TierRow>> {
    db.optional(TIER, args![organization, id]).await
}

/// The id of the default tier, if there is one.
pub async fn default_tier(db: &Db, organization: &str) -> Result<Option<String>> {
    let row: Option<(String,)> = db.optional(DEFAULT, args![organization]).await?;
    Ok(row.map(|row| row.0))
}
