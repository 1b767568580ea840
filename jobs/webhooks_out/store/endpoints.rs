//! Endpoints: where events are sent.

use crate::{
    access, args,
    kernel::{
        Timestamp,
        db::{Db, Result, Sql, Tx},
    },
    webhooks_out::model::Disabled,
};

/// An endpoint.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Endpoint {
    /// `whe_…`
    pub id: String,
    /// Whose.
    pub organization_id: String,
    /// Where to.
    pub url: String,
    /// For people.
    pub description: Option<String>,
    event_types: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Since when nothing is sent to it.
    pub disabled_at: Option<Timestamp>,
    /// Why, by the words of [`Disabled`].
    pub disabled_reason: Option<String>,
    /// Since when nothing but failures came.
    pub failing_since: Option<Timestamp>,
    /// Until when it asked to be left alone.
    pub rests_until: Option<Timestamp>,
}

impl Endpoint {
    /// The types it wants; `None`: all.
    pub fn event_types(&self) -> Option<Vec<&str>> {
        let types = self.event_types.as_deref()?;
        Some(types.split_whitespace().collect())
    }
}

/// What people decide about an endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Where to.
    pub url: &'a str,
    /// For people.
    pub description: Option<&'a str>,
    /// Which types; `None`: all.
    pub event_types: Option<&'a [&'a str]>,
}

impl Wanted<'_> {
    /// The types as they are stored: with a blank before and after each, so that one is found among them.
    fn stored_types(&self) -> Option<String> {
        self.event_types.map(|types| format!(" {} ", types.join(" ")))
    }
}

macro_rules! endpoint {
    ($rest:literal) => {
        concat!(
            "SELECT id, organization_id, url, description, event_types, created_at, updated_at, disabled_at,
                disabled_reason, failing_since, rests_until
             FROM webhook_endpoints ",
            $rest
        )
    };
}

const GET: Sql = Sql::both(endpoint!("WHERE organization_id = $1 AND id = $2"));
const LOCK: Sql = Sql::split(
    endpoint!("WHERE organization_id = $1 AND id = $2"),
    endpoint!("WHERE organization_id = $1 AND id = $2 FOR UPDATE"),
);
const LIST: Sql = Sql::both(endpoint!(
    "WHERE organization_id = $1 AND (CAST($2 AS TEXT) IS NULL OR id < $2) ORDER BY id DESC LIMIT $3"
));
const COUNT: Sql = Sql::both("SELECT count(*) FROM webhook_endpoints WHERE organization_id = $1");
const INSERT: Sql = Sql::both(
    "INSERT INTO webhook_endpoints (id, organization_id, url, description, event_types, created_at, updated_at)
     VALUES ($1, $2, $3, $4, $5, $6, $6)",
);
const UPDATE: Sql = Sql::both(
    "UPDATE webhook_endpoints SET url = $3, description = $4, event_types = $5, updated_at = $6,
        failing_since = CASE WHEN url = $3 THEN failing_since END, rests_until = CASE WHEN url = $3 THEN rests_until END
     WHERE organization_id = $1 AND id = $2",
);
const DELETE: Sql = Sql::both("DELETE FROM webhook_endpoints WHERE organization_id = $1 AND id = $2");
const DISABLE: Sql = Sql::both(
    "UPDATE webhook_endpoints SET disabled_at = $3, disabled_reason = $4, updated_at = $3
     WHERE organization_id = $1 AND id = $2 AND disabled_at IS NULL",
);
const ENABLE: Sql = Sql::both(
    "UPDATE webhook_endpoints
     SET disabled_at = NULL, disabled_reason = NULL, failing_since = NULL, rests_until = NULL, updated_at = $3
     WHERE organization_id = $1 AND id = $2",
);
const SET_HEALTH: Sql = Sql::both(
    "UPDATE webhook_endpoints SET failing_since = $2, rests_until = $3 WHERE id = $1",
);

const WITH_DUE: Sql = Sql::both(
    "SELECT w.organization_id, w.id FROM webhook_endpoints AS w
     WHERE w.disabled_at IS NULL AND EXISTS (SELECT 1 FROM webhook_deliveries AS d
         WHERE d.endpoint_id = w.id AND d.state = 'pending' AND d.due_at <= $1)",
);

/// One of them.
pub async fn get(db: &Db, organization: &str, id: &str) -> Result<Option<Endpoint>> {
    db.optional(GET, args![organization, id]).await
}

/// One of them, which nobody else changes until `tx` ends.
pub async fn lock(tx: &mut Tx, organization: &str, id: &str) -> Result<Option<Endpoint>> {
    tx.optional(LOCK, args![organization, id]).await
}

/// The organization's, newest first, those before an id.
pub async fn list(
    db: &Db,
    organization: &str,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<Endpoint>> {
    db.all(LIST, args![organization, before, limit]).await
}

/// How many the organization has; there are no more until `tx` ends.
pub(in crate::webhooks_out) async fn count(tx: &mut Tx, organization: &str) -> Result<i64> {
    // Whoever makes one waits here for whoever is making one.
    access::lock_organization(tx, organization).await?;
    let (count,): (i64,) = tx.one(COUNT, args![organization]).await?;
    Ok(count)
}

/// Those of every organization at which something is due, as organization and id.
pub(in crate::webhooks_out) async fn with_due(
    db: &Db,
    now: Timestamp,
) -> Result<Vec<(String, String)>> {
    db.all(WITH_DUE, args![now]).await
}

pub(in crate::webhooks_out) async fn insert(
    tx: &mut Tx,
    organization: &str,
    id: &str,
    wanted: &Wanted<'_>,
    now: Timestamp,
) -> Result<()> {
    let types = wanted.stored_types();
    tx.execute(INSERT, args![id, organization, wanted.url, wanted.description, types, now]).await?;
    Ok(())
}

pub(in crate::webhooks_out) async fn update(
    tx: &mut Tx,
    organization: &str,
    id: &str,
    wanted: &Wanted<'_>,
    now: Timestamp,
) -> Result<()> {
    let types = wanted.stored_types();
    tx.execute(UPDATE, args![organization, id, wanted.url, wanted.description, types, now]).await?;
    Ok(())
}

/// Deletes it with its secrets; its deliveries stay until they are pruned. Answers whether it was there.
pub(in crate::webhooks_out) async fn delete(tx: &mut Tx, organization: &str, id: &str) -> Result<bool> {
    Ok(tx.execute(DELETE, args![organization, id]).await? > 0)
}

/// Sends nothing to it any more. Answers whether that is new.
pub(in crate::webhooks_out) async fn disable(
    tx: &mut Tx,
    organization: &str,
    id: &str,
    why: Disabled,
    now: Timestamp,
) -> Result<bool> {
    Ok(tx.execute(DISABLE, args![organization, id, now, why.as_str()]).await? > 0)
}

/// Sends to it, as if it had never failed.
pub(in crate::webhooks_out) async fn enable(
    tx: &mut Tx,
    organization: &str,
    id: &str,
    now: Timestamp,
) -> Result<()> {
    tx.execute(ENABLE, args![organization, id, now]).await?;
    Ok(())
}

/// Writes how it is doing.
pub(in crate::webhooks_out) async fn set_health(
    tx: &mut Tx,
    id: &str,
    failing_since: Option<Timestamp>,
    rests_until: Option<Timestamp>,
) -> Result<()> {
    tx.execute(SET_HEALTH, args![id, failing_since, rests_until]).await?;
    Ok(())
}
