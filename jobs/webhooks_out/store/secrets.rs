//! What the secrets of endpoints are made from. No secret is here.

use crate::{
    args,
    kernel::{
        Timestamp,
        db::{Db, Result, Row, Sql, Tx},
        ports::SigningSecret,
    },
};

/// Secrets of one endpoint that sign at once: a header with more would be too long for some receivers.
pub const SECRETS_MAX: usize = 4;

const LIVE: Sql = Sql::both(
    "SELECT id, endpoint_id, salt, key_id, created_at, expires_at FROM webhook_secrets
     WHERE endpoint_id IN (SELECT id FROM webhook_endpoints WHERE organization_id = $1 AND id = $2)
       AND (expires_at IS NULL OR expires_at > $3)
     ORDER BY id DESC",
);
const GET: Sql = Sql::both(
    "SELECT s.id, s.endpoint_id, s.salt, s.key_id, s.created_at, s.expires_at FROM webhook_secrets AS s
     JOIN webhook_endpoints AS w ON w.id = s.endpoint_id
     WHERE w.organization_id = $1 AND s.id = $2 AND (s.expires_at IS NULL OR s.expires_at > $3)",
);
const INSERT: Sql = Sql::both(
    "INSERT INTO webhook_secrets (id, endpoint_id, salt, key_id, created_at) VALUES ($1, $2, $3, $4, $5)",
);
const EXPIRE: Sql = Sql::both(
    "UPDATE webhook_secrets SET expires_at = $3
     WHERE endpoint_id = $1 AND id <> $2 AND (expires_at IS NULL OR expires_at > $3)",
);
const FORGET: Sql = Sql::both("DELETE FROM webhook_secrets WHERE endpoint_id = $1 AND expires_at <= $2");
const END: Sql = Sql::both("DELETE FROM webhook_secrets WHERE id = $1");

/// Those an endpoint's events are signed with, newest first.
pub async fn live(
    db: &Db,
    organization: &str,
    endpoint: &str,
    now: Timestamp,
) -> Result<Vec<SigningSecret>> {
    db.all(LIVE, args![organization, endpoint, now]).await
}

/// One of them, until it ends.
pub async fn get(
    db: &Db,
    organization: &str,
    id: &str,
    now: Timestamp,
) -> Result<Option<SigningSecret>> {
    db.optional(GET, args![organization, id, now]).await
}

pub(in crate::webhooks_out) async fn insert(tx: &mut Tx, new: &SigningSecret) -> Result<()> {
    let row: Row<'_> = args![&new.id, &new.endpoint_id, &new.salt, &new.key_id, new.created_at].to_vec();
    tx.insert(INSERT, &[row]).await?;
    Ok(())
}

/// Ends the endpoint's other secrets at `at`, forgets those that have ended, and all but the newest [`SECRETS_MAX`].
pub(in crate::webhooks_out) async fn replace(
    tx: &mut Tx,
    organization: &str,
    new: &SigningSecret,
    at: Timestamp,
) -> Result<()> {
    tx.execute(EXPIRE, args![&new.endpoint_id, &new.id, at]).await?;
    tx.execute(FORGET, args![&new.endpoint_id, new.created_at]).await?;
    let live: Vec<SigningSecret> =
        tx.all(LIVE, args![organization, &new.endpoint_id, new.created_at]).await?;
    for old in live.iter().skip(SECRETS_MAX) {
        tx.execute(END, args![&old.id]).await?;
    }
    Ok(())
}
