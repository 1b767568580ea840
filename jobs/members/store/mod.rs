//! The tables `members` and `member_keys`.

mod read;

pub use read::{Filter, KeyRow, MemberRow, TierFilter, get, keys_of, list, resolve};

use super::model::{BillingStatus, NewMember, normalize_email};
use crate::{
    args,
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
const BY_KEY: Sql = Sql::both(
    "SELECT member_id FROM member_keys WHERE organization_id = $1 AND provider = $2 AND external_id = $3",
);
const LIVING: Sql = Sql::both(
    "SELECT id FROM members WHERE organization_id = $1 AND id = $2 AND deleted_at IS NULL",
);
const BY_EMAIL: Sql = Sql::both(
    "SELECT id, email_verified FROM members
     WHERE organization_id = $1 AND email_normalized = $2 AND deleted_at IS NULL",
);
const LOCK: Sql = Sql::split(
    "SELECT status, tier_id FROM members WHERE organization_id = $1 AND id = $2",
    "SELECT status, tier_id FROM members WHERE organization_id = $1 AND id = $2 FOR UPDATE",
);
const SET_BILLING: Sql = Sql::both(
    "UPDATE members SET status = $3, tier_id = $4, updated_at = $5
     WHERE organization_id = $1 AND id = $2
       AND (status <> $3 OR tier_id IS DISTINCT FROM CAST($4 AS TEXT))",
);
const SET_PROFILE: Sql = Sql::both(
    "UPDATE members SET email = $3, email_normalized = $4, name = $5, updated_at = $6
     WHERE organization_id = $1 AND id = $2
       AND (email IS DISTINCT FROM CAST($3 AS TEXT) OR name IS DISTINCT FROM CAST($5 AS TEXT))",
);

/// What the billing side of a member was before a change.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Billing {
    /// [`BillingStatus`] as its word.
    pub status: String,
    /// The tier she pays for; `None` is the organization's default tier.
    pub tier_id: Option<String>,
}

/// Creates a member and answers her id.
///
/// # Errors
/// A conflict when another living member of the organization has the address.
pub async fn insert(tx: &mut Tx, env: &Env, member: &NewMember) -> Result<String> {
    let id = env.id("mem");
    let normalized = member.email.as_deref().and_then(normalize_email);
    tx.execute(
        INSERT,
        args![
            &id,
            &member.organization_id,
            &member.email,
            &normalized,
            &member.name,
            member.joined_at,
            env.now()
        ],
    )
    .await?;
    Ok(id)
}

/// Notes how another system calls the member; a key that is there already stays as it is.
pub async fn add_key(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    provider: &str,
    external_id: &str,
    member: &str,
) -> Result<()> {
    tx.execute(INSERT_KEY, args![organization, provider, external_id, member, env.now()]).await?;
    Ok(())
}

/// The member with this foreign key.
pub async fn by_key(
    tx: &mut Tx,
    organization: &str,
    provider: &str,
    external_id: &str,
) -> Result<Option<String>> {
    let row: Option<(String,)> =
        tx.optional(BY_KEY, args![organization, provider, external_id]).await?;
    Ok(row.map(|row| row.0))
}

/// The id, if it is that of a living member of the organization.
pub async fn living(tx: &mut Tx, organization: &str, id: &str) -> Result<Option<String>> {
    let row: Option<(String,)> = tx.optional(LIVING, args![organization, id]).await?;
    Ok(row.map(|row| row.0))
}

/// The living member with this address and whether she has verified it.
pub async fn by_email(
    tx: &mut Tx,
    organization: &str,
    normalized: &str,
) -> Result<Option<(String, bool)>> {
    tx.optional(BY_EMAIL, args![organization, normalized]).await
}

/// Locks a member until the transaction ends, so that what is derived for her is derived by one at a time.
pub async fn lock(tx: &mut Tx, organization: &str, id: &str) -> Result<Option<Billing>> {
    tx.optional(LOCK, args![organization, id]).await
}

/// Writes status and tier; answers whether they changed.
pub async fn set_billing(
    tx: &mut Tx,
    organization: &str,
    id: &str,
    status: BillingStatus,
    tier: Option<&str>,
    now: Timestamp,
) -> Result<bool> {
    let changed = tx.execute(SET_BILLING, args![organization, id, status.as_str(), tier, now]).await?;
    Ok(changed > 0)
}

/// Writes address and name; answers whether they changed.
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
