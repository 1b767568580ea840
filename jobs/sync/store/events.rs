//! The table `stripe_events`.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Received, Source, model::EventFacts};
use crate::{
    args, is_of_each, of_each,
    kernel::{
        Timestamp,
        db::{Db, Result, Sql, Tx},
        limits::PRUNE_BATCH_MAX,
    },
};

const INSERT: Sql = Sql::both(
    "INSERT INTO stripe_events (organization_id, id, account, livemode, type, api_version, object_type, object_id,
        created_at, received_at, source, state, body)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
     ON CONFLICT (organization_id, id) DO NOTHING RETURNING organization_id, id",
);
/// The oldest first, and no more bodies than fit into the memory set aside for them; always one.
const UNREAD: Sql = Sql::both(
    "SELECT id, type, api_version, object_type, object_id, created_at, received_at, body FROM (
        SELECT *, sum(coalesce(length(body), 0)) OVER (ORDER BY created_at, id) - coalesce(length(body), 0) AS above
        FROM (SELECT id, type, api_version, object_type, object_id, created_at, received_at, body FROM stripe_events
              WHERE organization_id = $1 AND state = 'new' AND asked_at IS NULL
              ORDER BY created_at, id LIMIT $2) AS oldest
     ) AS counted WHERE above < $3 ORDER BY created_at, id",
);
const ANY_UNREAD: Sql = Sql::both(
    "SELECT id FROM stripe_events
     WHERE organization_id = $1 AND state = 'new' AND asked_at IS NULL LIMIT 1",
);
const ASK: Sql = Sql::split(
    "UPDATE stripe_events SET asked_at = $3
     WHERE organization_id = $1 AND state = 'new' AND id IN (SELECT value FROM json_each($2))",
    concat!(
        "UPDATE stripe_events SET asked_at = $3 WHERE organization_id = $1 AND state = 'new' AND ",
        is_of_each!("stripe_events WHERE organization_id = $1", "id", "$2")
    ),
);
const KNOWN: Sql = of_each!("id", "stripe_events WHERE organization_id = $1", "id", "$2", "");
/// Whoever was to settle them has not come.
const UNASK: Sql = Sql::both(
    "UPDATE stripe_events SET asked_at = NULL WHERE organization_id = $1 AND state = 'new' AND asked_at < $2",
);
const NEW_OF_OBJECT: Sql = Sql::both(
    "SELECT id, type, created_at, asked_at IS NOT NULL AS asked FROM stripe_events
     WHERE organization_id = $1 AND object_type = $2 AND object_id = $3 AND state = 'new'",
);
/// Each by its own partial index.
const WAITING_OF: Sql = of_each!(
    "DISTINCT object_id",
    "stripe_events WHERE organization_id = $1 AND object_type = $2 AND state = 'new'",
    "object_id", "$3", ""
);
const FAILED_OF: Sql = Sql::split(
    "SELECT object_id, max(created_at) FROM stripe_events
     WHERE organization_id = $1 AND object_type = $2 AND state = 'failed'
       AND object_id IN (SELECT value FROM json_each($3)) GROUP BY object_id",
    "SELECT object_id, max(created_at) FROM stripe_events
     WHERE organization_id = $1 AND object_type = $2 AND state = 'failed'
       AND object_id = ANY (ARRAY(SELECT jsonb_array_elements_text($3::jsonb))) GROUP BY object_id",
);
const MARK: Sql = Sql::split(
    "UPDATE stripe_events SET state = $3, applied_at = $4, error = $5
     WHERE organization_id = $1 AND state = 'new' AND id IN (SELECT value FROM json_each($2))",
    concat!(
        "UPDATE stripe_events SET state = $3, applied_at = $4, error = $5
         WHERE organization_id = $1 AND state = 'new' AND ",
        is_of_each!("stripe_events WHERE organization_id = $1", "id", "$2")
    ),
);
const RENEW: Sql = Sql::both(
    "UPDATE stripe_events SET state = CASE WHEN state IN ('applied', 'failed') THEN 'new' ELSE state END, error = NULL,
        asked_at = $3
     WHERE organization_id = $1 AND id = $2 AND object_type IS NOT NULL AND object_id IS NOT NULL
     RETURNING object_type, object_id",
);
const RENEW_LEFT: Sql = Sql::split(
    "UPDATE stripe_events SET state = 'new', error = NULL, applied_at = NULL, asked_at = NULL
     WHERE organization_id = $1 AND state = 'failed' AND error = $2
       AND object_type IN (SELECT value FROM json_each($3))",
    "UPDATE stripe_events SET state = 'new', error = NULL, applied_at = NULL, asked_at = NULL
     WHERE organization_id = $1 AND state = 'failed' AND error = $2
       AND object_type = ANY (ARRAY(SELECT jsonb_array_elements_text($3::jsonb)))",
);
const PRUNE: Sql = Sql::both(
    "UPDATE stripe_events SET body = NULL WHERE (organization_id, id) IN (
        SELECT organization_id, id FROM stripe_events WHERE received_at < $1 AND body IS NOT NULL
        ORDER BY received_at LIMIT $2)",
);

/// An event to be stored.
#[derive(Clone, Copy, Debug)]
pub struct NewEvent<'a> {
    /// Whose.
    pub organization: &'a str,
    /// How it came.
    pub source: Source,
    /// What is to become of it.
    pub received: Received,
    /// Its envelope.
    pub facts: &'a EventFacts,
    /// Its text.
    pub body: &'a str,
}

/// Stores events; answers organization and id of those that were not here.
pub async fn insert(
    tx: &mut Tx,
    now: Timestamp,
    events: &[NewEvent<'_>],
) -> Result<BTreeSet<(String, String)>> {
    let row = |event: &NewEvent<'_>| {
        let facts = event.facts;
        let object = facts.object.as_ref();
        args![
            event.organization.to_owned(),
            facts.id.clone(),
            facts.account.clone().unwrap_or_default(),
            facts.livemode,
            facts.kind.clone(),
            facts.api_version.clone(),
            object.map(|(kind, _)| kind.clone()),
            object.map(|(_, id)| id.clone()),
            facts.created_at,
            now,
            event.source.as_str(),
            event.received.as_str(),
            event.body.to_owned()
        ]
        .to_vec()
    };
    let rows: Vec<_> = events.iter().map(row).collect();
    Ok(tx.insert_returning(INSERT, &rows).await?.into_iter().collect())
}

/// An event that nobody has read yet.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Unread {
    /// `evt_…`
    pub id: String,
    /// Its type, such as `invoice.paid`.
    #[sqlx(rename = "type")]
    pub kind: String,
    /// The API version it was rendered in.
    pub api_version: Option<String>,
    /// Stripe's word for the object it is about.
    pub object_type: Option<String>,
    /// The object's id.
    pub object_id: Option<String>,
    /// When it was made, in Stripe's whole seconds.
    pub created_at: Timestamp,
    /// When it was received.
    pub received_at: Timestamp,
    /// Its text, unless that was forgotten.
    pub body: Option<String>,
}

/// The oldest events that nobody has read, at most `limit` of them and of `bytes_max` bytes, but at least one.
pub async fn unread(
    db: &Db,
    organization: &str,
    limit: i64,
    bytes_max: i64,
) -> Result<Vec<Unread>> {
    db.all(UNREAD, args![organization, limit, bytes_max]).await
}

/// Whether there are events that nobody has read.
pub async fn any_unread(db: &Db, organization: &str) -> Result<bool> {
    let row: Option<(String,)> = db.optional(ANY_UNREAD, args![organization]).await?;
    Ok(row.is_some())
}

/// Notes that a fetch is on its way which settles these events.
pub async fn ask(tx: &mut Tx, organization: &str, ids: &[&str], now: Timestamp) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let ids = serde_json::Value::from(ids).to_string();
    tx.execute(ASK, args![organization, ids, now]).await?;
    Ok(())
}

/// Leaves events to be read again that a fetch was to settle which was sent for before a moment: it was cancelled, or
/// died with its process. Answers how many.
pub async fn unask(tx: &mut Tx, organization: &str, before: Timestamp) -> Result<u64> {
    tx.execute(UNASK, args![organization, before]).await
}

/// Those of `ids` that are stored.
pub async fn known(db: &Db, organization: &str, ids: &[&str]) -> Result<BTreeSet<String>> {
    let ids = serde_json::Value::from(ids).to_string();
    let rows: Vec<(String,)> = db.all(KNOWN, args![organization, ids]).await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// An event that nothing came of yet.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Announced {
    /// `evt_…`
    pub id: String,
    /// Its type, such as `invoice.paid`.
    #[sqlx(rename = "type")]
    pub kind: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether it was read, and left to a fetch.
    pub asked: bool,
}

/// The events about an object that nothing came of yet.
pub async fn new_of_object(
    db: &Db,
    organization: &str,
    kind: &str,
    id: &str,
) -> Result<Vec<Announced>> {
    db.all(NEW_OF_OBJECT, args![organization, kind, id]).await
}

/// Those of the objects of which an event tells that nothing came of yet.
pub async fn waiting_of(
    tx: &mut Tx,
    organization: &str,
    kind: &str,
    ids: &[&str],
) -> Result<BTreeSet<String>> {
    let ids = serde_json::Value::from(ids).to_string();
    let rows: Vec<(String,)> = tx.all(WAITING_OF, args![organization, kind, ids]).await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Those of the objects of which an event tells that could not be applied, with the time of the last such event.
pub async fn failed_of(
    tx: &mut Tx,
    organization: &str,
    kind: &str,
    ids: &[&str],
) -> Result<BTreeMap<String, Timestamp>> {
    let ids = serde_json::Value::from(ids).to_string();
    let rows: Vec<(String, Timestamp)> = tx.all(FAILED_OF, args![organization, kind, ids]).await?;
    Ok(rows.into_iter().collect())
}

/// Marks new events as `applied` or, with an error, as `failed`. What another run has marked meanwhile stays.
pub async fn mark(
    tx: &mut Tx,
    organization: &str,
    ids: &[&str],
    error: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let state = if error.is_some() { "failed" } else { "applied" };
    let ids = serde_json::Value::from(ids).to_string();
    tx.execute(MARK, args![organization, ids, state, now, error]).await?;
    Ok(())
}

/// Makes an event that was acted on new again, for a fetch to settle it; answers type and id of its object.
pub async fn renew(
    tx: &mut Tx,
    organization: &str,
    event: &str,
    now: Timestamp,
) -> Result<Option<(String, String)>> {
    tx.optional(RENEW, args![organization, event, now]).await
}

/// Makes events new again of which nothing came for this reason, and whose objects are of these types; answers how many.
pub async fn renew_left(
    tx: &mut Tx,
    organization: &str,
    why: &str,
    types: &[&str],
) -> Result<u64> {
    let types = serde_json::Value::from(types).to_string();
    tx.execute(RENEW_LEFT, args![organization, why, types]).await
}

/// Forgets the bodies of events received before a moment; ids stay, so that a late duplicate is still known.
pub async fn prune_bodies(db: &Db, before: Timestamp) -> Result<u64> {
    let mut pruned = 0;
    loop {
        let mut tx = db.begin().await?;
        let batch = tx.execute(PRUNE, args![before, PRUNE_BATCH_MAX]).await?;
        tx.commit().await?;
        pruned += batch;
        if batch == 0 {
            return Ok(pruned);
        }
    }
}
