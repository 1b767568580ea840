//! The SQL of organizations and keys.

use std::time::Duration;

use super::{Scopes, model::Key};
use crate::{
    args,
    kernel::{
        Env, Timestamp,
        db::{Db, Error, Result, Sql, Tx},
    },
};

/// Draws of a key before giving up on a free id; with 62^8 ids the first one is free.
const DRAWS_MAX: usize = 5;

/// A key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct KeyRow {
    /// `key_…`
    pub id: String,
    /// Whose key it is.
    pub organization_id: String,
    /// What it is for, in people's words.
    pub name: String,
    /// SHA-256 of the secret, in hex.
    pub secret_hash: String,
    /// The last four characters of the secret.
    pub last4: String,
    /// Scopes, separated by spaces; [`Scopes::stored`] reads them.
    pub scopes: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it does not work any more.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// Whether it may call as often as it likes.
    pub unlimited: bool,
    /// The creator whose members alone it sees; `None`: all of the organization.
    pub creator_id: Option<String>,
}

impl KeyRow {
    /// Whether it works no more.
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.revoked_at.is_some() || self.expires_at.is_some_and(|at| at <= now)
    }
}

/// A key to make.
#[derive(Clone, Debug)]
pub struct NewKey<'a> {
    /// Whose it will be.
    pub organization: &'a str,
    /// What it is for.
    pub name: &'a str,
    /// What it may do.
    pub scopes: &'a Scopes,
    /// From when on it does not work any more.
    pub expires_at: Option<Timestamp>,
    /// Whether its text says `live`.
    pub live: bool,
    /// Whether it may call as often as it likes.
    pub unlimited: bool,
    /// The creator of the organization whose members alone it sees; `None`: all of the organization.
    pub creator: Option<&'a str>,
}

/// The columns of a [`KeyRow`].
macro_rules! columns {
    () => {
        "id, organization_id, name, secret_hash, last4, scopes, created_at, expires_at, revoked_at, last_used_at, unlimited,
         creator_id"
    };
}

/// Keys that meet a condition.
macro_rules! keys {
    ($rest:literal) => {
        concat!("SELECT ", columns!(), " FROM api_keys WHERE ", $rest)
    };
}

const ENSURE_ORGANIZATION: Sql = Sql::both(
    "INSERT INTO organizations (id, name, created_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING",
);
const ORGANIZATION: Sql = Sql::both("SELECT id FROM organizations WHERE id = $1");
const REVOKE_TOKENS: Sql = Sql::both(
    "INSERT INTO revoked_callers (organization_id, caller, issued_until) VALUES ($1, $2, $3)
     ON CONFLICT (organization_id, caller) DO UPDATE SET issued_until = excluded.issued_until
     WHERE revoked_callers.issued_until < excluded.issued_until",
);
const TOKENS_REVOKED: Sql =
    Sql::both("SELECT issued_until FROM revoked_callers WHERE organization_id = $1 AND caller = $2");
/// Rows that name the organization can be inserted meanwhile.
const LOCK_ORGANIZATION: Sql = Sql::split(
    "SELECT id FROM organizations WHERE id = $1",
    "SELECT id FROM organizations WHERE id = $1 FOR NO KEY UPDATE",
);
const CREATE: Sql = Sql::both(concat!(
    "INSERT INTO api_keys (id, organization_id, name, secret_hash, last4, scopes, created_at, expires_at, unlimited,
        creator_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
     ON CONFLICT (id) DO NOTHING
     RETURNING ",
    columns!()
));
const LIST: Sql = Sql::both(keys!(
    "organization_id = $1 AND ($2 IS NULL OR (created_at, id) < ($2, $3))
       AND (CAST($5 AS TEXT) IS NULL OR creator_id = $5)
     ORDER BY created_at DESC, id DESC LIMIT $4"
));
const FIND: Sql = Sql::both(keys!("id = $1"));
const REVOKE: Sql = Sql::both(concat!(
    "UPDATE api_keys SET revoked_at = coalesce(revoked_at, $3)
     WHERE organization_id = $1 AND id = $2 AND (CAST($4 AS TEXT) IS NULL OR creator_id = $4) RETURNING ",
    columns!()
));
const LOCK: Sql = Sql::split(
    keys!("organization_id = $1 AND id = $2"),
    keys!("organization_id = $1 AND id = $2 FOR UPDATE"),
);
const EXPIRE: Sql = Sql::both(
    "UPDATE api_keys SET expires_at = $3 WHERE organization_id = $1 AND id = $2 AND (expires_at IS NULL OR expires_at > $3)",
);
const USED: Sql = Sql::both(
    "SELECT secret_hash FROM api_keys WHERE last_used_at IS NOT NULL AND revoked_at IS NULL
     ORDER BY last_used_at DESC LIMIT $1",
);
const TOUCH: Sql = Sql::both(
    "UPDATE api_keys SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)",
);

/// Makes the organization unless it is there; answers whether it was made now.
pub async fn ensure_organization(
    tx: &mut Tx,
    id: &str,
    name: &str,
    now: Timestamp,
) -> Result<bool> {
    Ok(tx
        .execute(ENSURE_ORGANIZATION, args![id, name, now])
        .await?
        > 0)
}

/// Whether there is this organization.
pub async fn is_organization(db: &Db, id: &str) -> Result<bool> {
    let found: Option<(String,)> = db.optional(ORGANIZATION, args![id]).await?;
    Ok(found.is_some())
}

/// Waits for others who do what one at a time may do in an organization, and holds them up until the transaction ends.
pub async fn lock_organization(tx: &mut Tx, id: &str) -> Result<()> {
    let _locked: Option<(String,)> = tx.optional(LOCK_ORGANIZATION, args![id]).await?;
    Ok(())
}

/// Makes a key. The second half of the answer holds the secret, which cannot be had again.
///
/// # Errors
/// When there is no such organization.
pub async fn create_key(tx: &mut Tx, env: &Env, new: &NewKey<'_>) -> Result<(KeyRow, Key)> {
    for _ in 0..DRAWS_MAX {
        let key = Key::draw(&env.chance, new.live);
        let args = args![
            key.id(),
            new.organization,
            new.name,
            key.hash(),
            key.last4(),
            new.scopes.to_string(),
            env.now(),
            new.expires_at,
            new.unlimited,
            new.creator
        ];
        if let Some(row) = tx.optional(CREATE, args).await? {
            return Ok((row, key));
        }
    }
    Err(Error::Conflict(
        "no free id for a key: the randomness repeats".to_owned(),
    ))
}

/// Puts a new key in the place of one, which works on until `overlap` from now, or until its own end if that is earlier.
/// The new one has the same name, scopes, limits, creator and end. `row` is what [`lock_key`] answered in this transaction.
///
/// # Errors
/// The database's.
pub async fn rotate_key(
    tx: &mut Tx,
    env: &Env,
    row: &KeyRow,
    overlap: Duration,
    live: bool,
) -> Result<(KeyRow, Key)> {
    let new = NewKey {
        organization: &row.organization_id,
        name: &row.name,
        scopes: &Scopes::stored(&row.scopes),
        expires_at: row.expires_at,
        live,
        unlimited: row.unlimited,
        creator: row.creator_id.as_deref(),
    };
    let made = create_key(tx, env, &new).await?;
    let end = env.now().plus(overlap);
    tx.execute(EXPIRE, args![&row.organization_id, &row.id, end]).await?;
    Ok(made)
}

/// Hashes of the secrets, of all organizations, that were used last and are not revoked.
pub async fn used_keys(db: &Db, limit: i64) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = db.all(USED, args![limit]).await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// A key that nobody else changes before this transaction ends.
pub async fn lock_key(tx: &mut Tx, organization: &str, id: &str) -> Result<Option<KeyRow>> {
    tx.optional(LOCK, args![organization, id]).await
}

/// Keys of an organization, newest first, older than `after` (creation time and id of the last one seen); with `creator`,
/// those that are narrowed to her.
pub async fn list_keys(
    db: &Db,
    organization: &str,
    creator: Option<&str>,
    after: Option<(Timestamp, &str)>,
    limit: i64,
) -> Result<Vec<KeyRow>> {
    let (time, id) = after.unzip();
    db.all(LIST, args![organization, time, id, limit, creator]).await
}

/// The key with this id, of any organization and also when it is expired or revoked.
pub async fn find_key(db: &Db, id: &str) -> Result<Option<KeyRow>> {
    db.optional(FIND, args![id]).await
}

/// Revokes a key; doing it twice changes nothing. `None`: the organization has no such key, or with `creator` none that is
/// narrowed to her.
pub async fn revoke_key(
    tx: &mut Tx,
    organization: &str,
    creator: Option<&str>,
    id: &str,
    now: Timestamp,
) -> Result<Option<KeyRow>> {
    tx.optional(REVOKE, args![organization, id, now, creator]).await
}

/// Revokes the tokens of a caller that were issued until a moment; never fewer than before.
pub async fn revoke_tokens(
    tx: &mut Tx,
    organization: &str,
    caller: &str,
    issued_until: Timestamp,
) -> Result<()> {
    tx.execute(REVOKE_TOKENS, args![organization, caller, issued_until]).await?;
    Ok(())
}

/// Until when the tokens of a caller are revoked, if they are.
pub async fn tokens_revoked(db: &Db, organization: &str, caller: &str) -> Result<Option<Timestamp>> {
    let row: Option<(Timestamp,)> = db.optional(TOKENS_REVOKED, args![organization, caller]).await?;
    Ok(row.map(|row| row.0))
}

/// Remembers when the key was last used.
pub async fn touch_key(tx: &mut Tx, id: &str, now: Timestamp) -> Result<()> {
    tx.execute(TOUCH, args![id, now]).await?;
    Ok(())
}
