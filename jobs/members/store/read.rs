//! What people read of members.

use super::super::details::{Details, Key};
use crate::{
    args,
    of_each,
    kernel::{
        Timestamp,
        db::{Db, Result, Sql, Tx},
    },
};

/// A member as people see her.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct MemberRow {
    /// `mem_…`
    pub id: String,
    /// Address as given.
    pub email: Option<String>,
    /// Whether she proved that it is hers.
    pub email_verified: bool,
    /// Display name.
    pub name: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
    /// Free keys and values, as a JSON object.
    pub meta: String,
    /// [`crate::members::BillingStatus`] as its word.
    pub status: String,
    /// The tier she pays for; `None` is the organization's default tier.
    pub tier_id: Option<String>,
    /// When she joined.
    pub joined_at: Timestamp,
    /// When she became known here.
    pub created_at: Timestamp,
    /// When her row last changed.
    pub updated_at: Timestamp,
    /// Since when she is archived.
    pub archived_at: Option<Timestamp>,
    /// Since when she is deleted.
    pub deleted_at: Option<Timestamp>,
    /// The creator whose member she is.
    pub creator_id: Option<String>,
}

/// How another system calls a member.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct KeyRow {
    /// The member.
    pub member_id: String,
    /// The other system, such as `stripe`.
    pub provider: String,
    /// Her id there.
    pub external_id: String,
}

/// A word by which people find a member.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct TagRow {
    /// The member.
    pub member_id: String,
    /// The tag.
    pub tag: String,
}

/// What people may write of a member, out of her rows.
pub fn details(row: &MemberRow, keys: &[KeyRow], tags: &[TagRow]) -> Details {
    let key = |row: &KeyRow| Key {
        provider: row.provider.clone(),
        external_id: row.external_id.clone(),
    };
    Details {
        email: row.email.clone(),
        email_verified: row.email_verified,
        name: row.name.clone(),
        phone: row.phone.clone(),
        meta: serde_json::from_str(&row.meta).unwrap_or_default(),
        tags: tags.iter().map(|row| row.tag.clone()).collect(),
        keys: keys.iter().map(key).collect(),
        archived: row.archived_at.is_some(),
        creator: row.creator_id.clone(),
    }
}

/// Members as people see them.
macro_rules! shown_members {
    ($rest:expr) => {
        concat!(
            "SELECT m.id, m.email, m.email_verified, m.name, m.phone, m.meta, m.status, m.tier_id, m.joined_at,
                m.created_at, m.updated_at, m.archived_at, m.deleted_at, m.creator_id FROM ",
            $rest
        )
    };
}
pub(super) use shown_members;

pub(super) const GET: Sql = Sql::both(shown_members!("members AS m WHERE m.organization_id = $1 AND m.id = $2"));
const BY_KEY: Sql = Sql::both(
    "SELECT member_id FROM member_keys WHERE organization_id = $1 AND provider = $2 AND external_id = $3",
);
pub(super) const KEYS_OF: Sql = of_each!(
    "member_id, provider, external_id",
    "member_keys WHERE organization_id = $1",
    "member_id", "$2", " ORDER BY member_id, provider, external_id"
);
pub(super) const TAGS_OF: Sql = of_each!(
    "member_id, tag",
    "member_tags WHERE organization_id = $1",
    "member_id", "$2", " ORDER BY member_id, tag"
);

const IDS_AFTER: Sql =
    Sql::both("SELECT id FROM members WHERE organization_id = $1 AND id > $2 ORDER BY id LIMIT $3");

/// Ids of members of an organization, deleted ones too, upwards from above `after`.
pub async fn ids_after(
    db: &Db,
    organization: &str,
    after: &str,
    limit: i64,
) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = db.all(IDS_AFTER, args![organization, after, limit]).await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// One member, also a deleted one.
pub async fn get(db: &Db, organization: &str, id: &str) -> Result<Option<MemberRow>> {
    db.optional(GET, args![organization, id]).await
}

/// The member's id behind what a path says: an id stays as it is, `ext:<provider>:<id>` is looked up.
pub async fn resolve(db: &Db, organization: &str, word: &str) -> Result<Option<String>> {
    let Some((provider, external_id)) =
        word.strip_prefix("ext:").and_then(|rest| rest.split_once(':'))
    else {
        return Ok(Some(word.to_owned()));
    };
    let row: Option<(String,)> =
        db.optional(BY_KEY, args![organization, provider, external_id]).await?;
    Ok(row.map(|row| row.0))
}

/// The foreign keys of several members, in a transaction.
pub async fn keys_in(tx: &mut Tx, organization: &str, members: &[&str]) -> Result<Vec<KeyRow>> {
    let ids = serde_json::Value::from(members).to_string();
    tx.all(KEYS_OF, args![organization, ids]).await
}
