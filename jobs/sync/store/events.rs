//! The table `stripe_events`.

use std::collections::BTreeSet;

use super::super::{Received, Source, model::EventFacts};
use crate::{
    args,
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
     ON CONFLICT (organization_id, id) DO NOTHING",
);
const KNOWN: Sql = Sql::split(
    "SELECT id FROM stripe_events WHERE organization_id = $1 AND id IN (SELECT value FROM json_each($2))",
    "SELECT id FROM stripe_events
     WHERE organization_id = $1 AND id = ANY (ARRAY(SELECT jsonb_array_elements_text($2::jsonb)))",
);
const NEW_OF_OBJECT: Sql = Sql::both(
    "SELECT id FROM stripe_events
     WHERE organization_id = $1 AND object_type = $2 AND object_id = $3 AND state = 'new'",
);
const MARK: Sql = Sql::split(
    "UPDATE stripe_events SET state = $3, applied_at = $4, error = $5
     WHERE organization_id = $1 AND state = 'new' AND id IN (SELECT value FROM json_each($2))",
    "UPDATE stripe_events SET state = $3, applied_at = $4, error = $5
     WHERE organization_id = $1 AND state = 'new'
       AND id = ANY (ARRAY(SELECT jsonb_array_elements_text($2::jsonb)))",
);
const RENEW: Sql = Sql::both(
    "UPDATE stripe_events SET state = CASE WHEN state IN ('applied', 'failed') THEN 'new' ELSE state END, error = NULL
     WHERE organization_id = $1 AND id = $2 AND object_type IS NOT NULL AND object_id IS NOT NULL
     RETURNING object_type, object_id",
);
const PRUNE: Sql = Sql::both(
    "UPDATE stripe_events SET body = NULL WHERE (organization_id, id) IN (
        SELECT organization_id, id FROM stripe_events WHERE received_at < $1 AND body IS NOT NULL
        ORDER BY received_at LIMIT $2)",
);

/// Stores an event; answers whether it is new.
pub async fn insert(
    tx: &mut Tx,
    now: Timestamp,
    organization: &str,
    source: Source,
    received: Received,
    facts: &EventFacts,
    body: &str,
) -> Result<bool> {
    let object = facts.object.as_ref();
    let row = args![
        organization,
        &facts.id,
        facts.account.as_deref().unwrap_or(""),
        facts.livemode,
        &facts.kind,
        &facts.api_version,
        object.map(|(kind, _)| kind.as_str()),
        object.map(|(_, id)| id.as_str()),
        facts.created_at,
        now,
        source.as_str(),
        received.as_str(),
        body
    ];
    Ok(tx.execute(INSERT, row).await? == 1)
}

/// Those of `ids` that are stored.
pub async fn known(db: &Db, organization: &str, ids: &[&str]) -> Result<BTreeSet<String>> {
    let ids = serde_json::Value::from(ids).to_string();
    let rows: Vec<(String,)> = db.all(KNOWN, args![organization, ids]).await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// The events about an object that nobody has acted on.
pub async fn new_of_object(
    db: &Db,
    organization: &str,
    kind: &str,
    id: &str,
) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = db.all(NEW_OF_OBJECT, args![organization, kind, id]).await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Marks new events as `applied` or, with an error, as `failed`. What another run has marked meanwhile stays.
pub async fn mark(
    tx: &mut Tx,
    organization: &str,
    ids: &[String],
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

/// Makes an event that was acted on new again; answers type and id of its object.
pub async fn renew(
    tx: &mut Tx,
    organization: &str,
    event: &str,
) -> Result<Option<(String, String)>> {
    tx.optional(RENEW, args![organization, event]).await
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
