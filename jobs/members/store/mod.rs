//! The tables `members`, `member_keys` and `member_tags`.

mod billing;
mod list;
mod read;
mod whose;
mod write;

pub use billing::{Billing, Horizon, horizon, lock, lock_due, lock_many, set_billing};
pub use list::{Filter, TierFilter, count, list};
pub use read::{
    KeyRow, MemberRow, TagRow, details, get, ids_after, keys_in, resolve,
};
pub use whose::{Way, Ways, way};
pub use write::{
    Written, add_tags, claim_keys, create, details_in, holders, set_deleted, set_keys_and_tags,
    update,
};

use std::collections::BTreeMap;

use super::{
    disagreement::Whereabouts,
    model::{NewMember, normalize_email},
};
use crate::{
    args,
    of_each,
    kernel::{
        Env, Timestamp,
        db::{Result, Sql, Tx},
    },
};

const INSERT: Sql = Sql::both(
    "INSERT INTO members (id, organization_id, email, email_normalized, name, joined_at, created_at, updated_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
);
const INSERT_KEY: Sql = Sql::both(
    "INSERT INTO member_keys (organization_id, provider, external_id, member_id, created_at)
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (organization_id, provider, external_id) DO NOTHING",
);
const BY_KEYS: Sql = of_each!(
    "external_id, member_id",
    "member_keys WHERE organization_id = $1 AND provider = $2",
    "external_id", "$3", ""
);
const ANY: Sql = Sql::both("SELECT id FROM members WHERE organization_id = $1 AND id = $2");
const WHEREABOUTS: Sql = Sql::split(
    "SELECT id, organization_id, deleted_at IS NULL FROM members WHERE id IN (SELECT value FROM json_each($1))",
    "SELECT id, organization_id, deleted_at IS NULL FROM members
     WHERE id = ANY (ARRAY(SELECT jsonb_array_elements_text($1::jsonb)))",
);
const BY_EMAIL: Sql = Sql::both(
    "SELECT id, email_verified FROM members
     WHERE organization_id = $1 AND email_normalized = $2 AND deleted_at IS NULL",
);
const BY_EMAILS: Sql = of_each!(
    "email_normalized, id, email_verified",
    "members WHERE organization_id = $1 AND deleted_at IS NULL",
    "email_normalized", "$2", ""
);
const PROFILES: Sql =
    of_each!("id, email, name", "members WHERE organization_id = $1", "id", "$2", "");
/// What people have written stays. Nobody has proved that another address is hers.
const SET_PROFILE: Sql = Sql::both(
    "UPDATE members SET email = $3, email_normalized = $4, name = $5, updated_at = $6,
        email_verified = CASE WHEN email_normalized IS NOT DISTINCT FROM CAST($4 AS TEXT) THEN email_verified
            ELSE FALSE END
     WHERE organization_id = $1 AND id = $2 AND profile_edited_at IS NULL
       AND (email IS DISTINCT FROM CAST($3 AS TEXT) OR name IS DISTINCT FROM CAST($5 AS TEXT))",
);

/// Creates members with the ids that were chosen for them.
///
/// # Errors
/// A conflict when another living member of the organization has an address.
pub async fn insert_many(tx: &mut Tx, env: &Env, members: &[(String, NewMember)]) -> Result<()> {
    let now = env.now();
    let row = |(id, member): &(String, NewMember)| {
        let normalized = member.email.as_deref().and_then(normalize_email);
        args![
            id.clone(),
            member.organization_id.clone(),
            member.email.clone(),
            normalized,
            member.name.clone(),
            member.joined_at,
            now
        ]
        .to_vec()
    };
    let rows: Vec<_> = members.iter().map(row).collect();
    tx.insert(INSERT, &rows).await?;
    Ok(())
}

/// Notes how another system calls members (external id and member); a key that is there already stays as it is.
pub async fn add_keys(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    provider: &str,
    keys: &[(&str, &str)],
) -> Result<()> {
    let now = env.now();
    let rows: Vec<_> = keys
        .iter()
        .map(|(id, member)| args![organization, provider, *id, *member, now].to_vec())
        .collect();
    tx.insert(INSERT_KEY, &rows).await?;
    Ok(())
}

/// The members with foreign keys, by external id.
pub async fn by_keys(
    tx: &mut Tx,
    organization: &str,
    provider: &str,
    external_ids: &[&str],
) -> Result<BTreeMap<String, String>> {
    let ids = serde_json::Value::from(external_ids).to_string();
    let rows: Vec<(String, String)> = tx.all(BY_KEYS, args![organization, provider, ids]).await?;
    Ok(rows.into_iter().collect())
}

/// Whether the id is that of a member of the organization, also of one who was deleted.
pub async fn is_member(tx: &mut Tx, organization: &str, id: &str) -> Result<bool> {
    let row: Option<(String,)> = tx.optional(ANY, args![organization, id]).await?;
    Ok(row.is_some())
}

/// Where ids belong that somebody's metadata names. Those of nobody are missing.
pub async fn whereabouts(
    tx: &mut Tx,
    organization: &str,
    ids: &[&str],
) -> Result<BTreeMap<String, Whereabouts>> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ids = serde_json::Value::from(ids).to_string();
    let rows: Vec<(String, String, bool)> = tx.all(WHEREABOUTS, args![ids]).await?;
    let place = |owner: &str, living| match (owner == organization, living) {
        (false, _) => Whereabouts::Elsewhere,
        (true, true) => Whereabouts::Here,
        (true, false) => Whereabouts::Nowhere,
    };
    Ok(rows.into_iter().map(|(id, owner, living)| (id, place(&owner, living))).collect())
}

/// The living member with this address and whether she has verified it.
pub async fn by_email(
    tx: &mut Tx,
    organization: &str,
    normalized: &str,
) -> Result<Option<(String, bool)>> {
    tx.optional(BY_EMAIL, args![organization, normalized]).await
}

/// The living members with these addresses, by address, and whether they have verified it.
pub async fn by_emails(
    tx: &mut Tx,
    organization: &str,
    normalized: &[String],
) -> Result<BTreeMap<String, (String, bool)>> {
    let addresses = serde_json::Value::from(normalized).to_string();
    let rows: Vec<(String, String, bool)> =
        tx.all(BY_EMAILS, args![organization, addresses]).await?;
    Ok(rows.into_iter().map(|(address, id, verified)| (address, (id, verified))).collect())
}

/// Address and name as given.
pub type Profile = (Option<String>, Option<String>);

/// The addresses and names of members, by id.
pub async fn profiles(
    tx: &mut Tx,
    organization: &str,
    ids: &[&str],
) -> Result<BTreeMap<String, Profile>> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ids = serde_json::Value::from(ids).to_string();
    let rows: Vec<(String, Option<String>, Option<String>)> =
        tx.all(PROFILES, args![organization, ids]).await?;
    Ok(rows.into_iter().map(|(id, email, name)| (id, (email, name))).collect())
}

/// Writes address and name, unless people have written them; answers whether they changed.
///
/// # Errors
/// A conflict when another living member has the address.
pub async fn set_profile(
    tx: &mut Tx,
    organization: &str,
    id: &str,
    email: Option<&str>,
    name: Option<&str>,
    now: Timestamp,
) -> Result<bool> {
    let normalized = email.and_then(normalize_email);
    let changed =
        tx.execute(SET_PROFILE, args![organization, id, email, &normalized, name, now]).await?;
    Ok(changed > 0)
}
