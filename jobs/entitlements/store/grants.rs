//! The table `grants`.

use super::super::{
    grants::NewGrant,
    model::{GrantFacts, Source},
    policy::of_grant,
};
use crate::{
    args,
    kernel::{
        Env, Timestamp,
        db::{Db, Result, Sql, Tx},
    },
};

/// A grant as it stands in the table.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct GrantRow {
    /// `gra_…`
    pub id: String,
    /// Whose.
    pub member_id: String,
    /// The product it gives.
    pub product_id: String,
    /// The word of a [`Source`].
    pub kind: String,
    /// What it is called where it was decided.
    pub external_reference: Option<String>,
    /// The subscription that is prolonged.
    pub subscription_id: Option<String>,
    /// The member who gave it, if it is a gift of one.
    pub from_member_id: Option<String>,
    /// Why, in words.
    pub note: Option<String>,
    /// From when.
    pub starts_at: Timestamp,
    /// Until when; `None` is a lifetime.
    pub ends_at: Option<Timestamp>,
    /// Who gave it: a key's id, or `cli`.
    pub granted_by: String,
    /// When it was given.
    pub created_at: Timestamp,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
    /// Who took it back.
    pub revoked_by: Option<String>,
}

impl GrantRow {
    /// Whether it gives access at `now`.
    pub fn is_active(&self, now: Timestamp) -> bool {
        of_grant(&self.facts()).as_present().is_active(now)
    }

    /// What access depends on.
    pub fn facts(&self) -> GrantFacts {
        GrantFacts {
            id: self.id.clone(),
            product_id: self.product_id.clone(),
            source: Source::parse(&self.kind).unwrap_or(Source::Complimentary),
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            revoked_at: self.revoked_at,
        }
    }
}

macro_rules! columns {
    ($rest:literal) => {
        concat!(
            "SELECT id, member_id, product_id, kind, external_reference, subscription_id, from_member_id, note, starts_at,
                ends_at,
                granted_by, created_at, revoked_at, revoked_by
             FROM grants ",
            $rest
        )
    };
}

const INSERT: Sql = Sql::both(
    "INSERT INTO grants (id, organization_id, member_id, product_id, kind, external_reference, subscription_id,
        from_member_id, note,
        starts_at, ends_at, granted_by, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
     ON CONFLICT (organization_id, external_reference) WHERE external_reference IS NOT NULL DO NOTHING
     RETURNING id, member_id, product_id, kind, external_reference, subscription_id, from_member_id, note,
        starts_at, ends_at,
        granted_by, created_at, revoked_at, revoked_by",
);
const REVOKE: Sql = Sql::both(
    "UPDATE grants SET revoked_at = $4, revoked_by = $5
     WHERE organization_id = $1 AND member_id = $2 AND id = $3 AND revoked_at IS NULL
       AND (ends_at IS NULL OR ends_at > $4)",
);
const GET: Sql = Sql::both(columns!("WHERE organization_id = $1 AND member_id = $2 AND id = $3"));
const BY_REFERENCE: Sql =
    Sql::both(columns!("WHERE organization_id = $1 AND external_reference = $2"));
const LIST: Sql = Sql::both(columns!(
    "WHERE organization_id = $1 AND member_id = $2 AND (CAST($3 AS TEXT) IS NULL OR id < $3)
     ORDER BY id DESC LIMIT $4"
));

const EXTENSIONS: Sql = Sql::split(
    columns!(
        "WHERE organization_id = $1 AND member_id IN (SELECT value FROM json_each($2)) AND kind = 'extension'
           AND revoked_at IS NULL ORDER BY id"
    ),
    columns!(
        "WHERE organization_id = $1 AND member_id = ANY (ARRAY(SELECT jsonb_array_elements_text($2::jsonb)))
           AND kind = 'extension' AND revoked_at IS NULL ORDER BY id"
    ),
);

/// Writes a grant; `None` when its reference is taken.
pub async fn insert_grant(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    member: &str,
    by: &str,
    new: &NewGrant,
) -> Result<Option<GrantRow>> {
    let (id, now) = (env.id("gra"), env.now());
    let row = args![
        &id,
        organization,
        member,
        &new.product_id,
        new.source.as_str(),
        &new.external_reference,
        &new.subscription_id,
        &new.from_member_id,
        &new.note,
        new.starts_at.unwrap_or(now),
        new.ends_at,
        by,
        now
    ];
    tx.optional(INSERT, row).await
}

/// The grant with this reference.
pub async fn by_reference(
    tx: &mut Tx,
    organization: &str,
    reference: &str,
) -> Result<Option<GrantRow>> {
    tx.optional(BY_REFERENCE, args![organization, reference]).await
}

/// One grant of a member.
pub async fn grant(
    tx: &mut Tx,
    organization: &str,
    member: &str,
    id: &str,
) -> Result<Option<GrantRow>> {
    tx.optional(GET, args![organization, member, id]).await
}

/// Marks a grant as taken back, unless it is over; answers whether it was not.
pub async fn revoke_grant(
    tx: &mut Tx,
    organization: &str,
    member: &str,
    id: &str,
    by: &str,
    now: Timestamp,
) -> Result<bool> {
    Ok(tx.execute(REVOKE, args![organization, member, id, now, by]).await? == 1)
}

/// A member's grants, newest first, those with ids below `before`.
pub async fn grants(
    db: &Db,
    organization: &str,
    member: &str,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<GrantRow>> {
    db.all(LIST, args![organization, member, before, limit]).await
}

/// The extensions of members' subscriptions that were not taken back.
pub async fn extensions(
    db: &Db,
    organization: &str,
    members: &[&str],
) -> Result<Vec<GrantRow>> {
    let ids = serde_json::Value::from(members).to_string();
    db.all(EXTENSIONS, args![organization, ids]).await
}
