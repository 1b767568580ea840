//! Deliveries: one for each endpoint and event.

use serde::{Deserialize, Serialize};

use crate::{
    args,
    kernel::{
        Timestamp,
        db::{Db, Result, Row, Sql, Tx},
        first_id,
        limits::PRUNE_BATCH_MAX,
    },
    webhooks_out::model::{Told, Verdict},
};

/// A delivery.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Delivery {
    /// `whd_…`
    pub id: String,
    /// `whe_…`
    pub endpoint_id: String,
    /// `evt_…`: what the receiver sees as `webhook-id`.
    pub event_id: String,
    /// The event's type.
    #[sqlx(rename = "type")]
    pub kind: String,
    /// One of the words of `State`.
    pub state: String,
    /// Attempts made.
    pub attempts: i64,
    /// When the next attempt may be made.
    pub due_at: Timestamp,
    /// When it was wanted first.
    pub created_at: Timestamp,
    /// When the last attempt ended.
    pub attempted_at: Option<Timestamp>,
    /// Milliseconds that it took.
    pub took_ms: Option<i64>,
    /// The status of its answer.
    pub status_code: Option<i64>,
    /// What went wrong without an answer.
    pub error: Option<String>,
}

/// Which of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    /// To this endpoint.
    pub endpoint_id: Option<&'a str>,
    /// In this state.
    pub state: Option<&'a str>,
    /// Of events of this type.
    pub kind: Option<&'a str>,
}

/// A delivery to attempt, with its event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// `whd_…`
    pub id: String,
    /// Attempts made before.
    pub attempts: i64,
    /// `evt_…`
    pub event_id: String,
    /// What happened; `None` when it was deleted meanwhile, as with its member.
    pub event: Option<Told>,
}

#[derive(sqlx::FromRow)]
struct DueRow {
    id: String,
    attempts: i64,
    event_id: String,
    #[sqlx(rename = "type")]
    kind: String,
    member_id: Option<String>,
    sequence: Option<i64>,
    occurred_at: Option<Timestamp>,
    data: Option<String>,
}

impl From<DueRow> for Due {
    fn from(row: DueRow) -> Self {
        let event = row.occurred_at.zip(row.data).map(|(occurred_at, data)| Told {
            id: row.event_id.clone(),
            kind: row.kind,
            member_id: row.member_id,
            sequence: row.sequence,
            occurred_at,
            data,
        });
        Self { id: row.id, attempts: row.attempts, event_id: row.event_id, event }
    }
}

/// An attempt that was made.
#[derive(Clone, Debug)]
pub struct Attempted {
    /// `whd_…`
    pub id: String,
    /// Where it went.
    pub url: String,
    /// Attempts made before it.
    pub attempts: i64,
    /// What it came to.
    pub verdict: Verdict,
}

/// A delivery's place among those that are pending at its endpoint: the longest due is the first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, sqlx::FromRow)]
pub struct Place {
    /// When it is due.
    pub due_at: Timestamp,
    /// `whd_…`
    pub id: String,
}

#[derive(Serialize)]
struct Written<'a> {
    id: &'a str,
    /// Attempts before this one.
    before: i64,
    /// Attempts that count from now on.
    attempts: i64,
    state: &'static str,
    due_at: i64,
    took_ms: i64,
    status_code: Option<u16>,
    error: Option<&'static str>,
}

macro_rules! delivery {
    ($rest:literal) => {
        concat!(
            "SELECT id, endpoint_id, event_id, type, state, attempts, due_at, created_at, attempted_at, took_ms,
                status_code, error
             FROM webhook_deliveries ",
            $rest
        )
    };
}

const GET: Sql = Sql::both(delivery!("WHERE organization_id = $1 AND id = $2"));
const LIST: Sql = Sql::both(delivery!(
    "WHERE organization_id = $1
       AND (CAST($2 AS TEXT) IS NULL OR endpoint_id = $2)
       AND (CAST($3 AS TEXT) IS NULL OR state = $3)
       AND (CAST($4 AS TEXT) IS NULL OR type = $4)
       AND (CAST($5 AS TEXT) IS NULL OR id < $5)
     ORDER BY id DESC LIMIT $6"
));
const DUE: Sql = Sql::both(
    "SELECT d.id, d.attempts, d.event_id, d.type, e.member_id, e.sequence, e.occurred_at, e.data
     FROM webhook_deliveries AS d LEFT JOIN events AS e ON e.id = d.event_id
     WHERE d.endpoint_id = $1 AND d.state = 'pending' AND d.due_at <= $2
     ORDER BY d.due_at, d.id LIMIT $3",
);
const NEXT: Sql = Sql::both(
    "SELECT due_at FROM webhook_deliveries WHERE endpoint_id = $1 AND state = 'pending' ORDER BY due_at LIMIT 1",
);
/// A success counts however late it is told; a failure only if nobody told of that attempt before.
const RECORD: Sql = Sql::split(
    "UPDATE webhook_deliveries SET state = x.value ->> 'state', attempts = x.value ->> 'attempts',
        due_at = x.value ->> 'due_at', took_ms = x.value ->> 'took_ms', status_code = x.value ->> 'status_code',
        error = x.value ->> 'error', attempted_at = $2
     FROM json_each($1) AS x
     WHERE webhook_deliveries.id = x.value ->> 'id' AND webhook_deliveries.state = 'pending'
       AND (x.value ->> 'state' = 'delivered' OR webhook_deliveries.attempts = x.value ->> 'before')",
    "UPDATE webhook_deliveries AS d SET state = x.state, attempts = x.attempts, due_at = x.due_at,
        took_ms = x.took_ms, status_code = x.status_code, error = x.error, attempted_at = $2
     FROM jsonb_to_recordset($1::jsonb) AS x (id text, before bigint, attempts bigint, state text, due_at bigint, took_ms bigint,
        status_code bigint, error text)
     WHERE d.id = x.id AND d.state = 'pending' AND (x.state = 'delivered' OR d.attempts = x.before)",
);
const RESEND: Sql = Sql::both(
    "UPDATE webhook_deliveries SET state = 'pending', attempts = 0, due_at = $3
     WHERE organization_id = $1 AND id = $2",
);
/// What is in the air was due before now, and stays as it is.
macro_rules! replay {
    ($unless:literal) => {
        Sql::both(concat!(
            "INSERT INTO webhook_deliveries (id, organization_id, endpoint_id, event_id, type, state, due_at, created_at)
             VALUES ($1, $2, $3, $4, $5, 'pending', $6, $6)
             ON CONFLICT (event_id, endpoint_id) DO UPDATE
             SET state = 'pending', attempts = 0, due_at = excluded.due_at
             WHERE (webhook_deliveries.state <> 'pending' OR webhook_deliveries.due_at > excluded.due_at)",
            $unless
        ))
    };
}
const REPLAY: Sql = replay!("");
const REPLAY_UNDELIVERED: Sql = replay!(" AND webhook_deliveries.state <> 'delivered'");
/// Some of what is pending at an endpoint and was not attempted since a moment, by its place.
const UNTRIED: Sql = Sql::both(
    "SELECT due_at, id FROM webhook_deliveries
     WHERE organization_id = $1 AND endpoint_id = $2 AND state = 'pending' AND (due_at, id) > ($4, $5)
       AND (attempted_at IS NULL OR attempted_at <= $3)
     ORDER BY due_at, id LIMIT $6",
);
const HURRY: Sql = Sql::split(
    "UPDATE webhook_deliveries SET attempts = 0, due_at = min(due_at, $3)
     WHERE organization_id = $1 AND id IN (SELECT value FROM json_each($2)) AND state = 'pending'
       AND (attempts > 0 OR due_at > $3)",
    "UPDATE webhook_deliveries SET attempts = 0, due_at = least(due_at, $3)
     WHERE organization_id = $1 AND id = ANY (ARRAY(SELECT jsonb_array_elements_text($2::jsonb))) AND state = 'pending'
       AND (attempts > 0 OR due_at > $3)",
);
const CLOSE: Sql = Sql::both(
    "UPDATE webhook_deliveries SET state = 'failed', error = 'endpoint_deleted'
     WHERE organization_id = $1 AND endpoint_id = $2 AND state = 'pending'",
);
macro_rules! is_over {
    () => {
        "(state <> 'pending' OR due_at < $3) AND coalesce(attempted_at, created_at) < $3"
    };
}
const OLD: Sql = Sql::both("SELECT id FROM webhook_deliveries WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3");
const PRUNE: Sql = Sql::both(concat!("DELETE FROM webhook_deliveries WHERE id > $1 AND id <= $2 AND ", is_over!()));

/// One of them.
pub async fn get(db: &Db, organization: &str, id: &str) -> Result<Option<Delivery>> {
    db.optional(GET, args![organization, id]).await
}

/// One of them, in a transaction.
pub async fn get_in(tx: &mut Tx, organization: &str, id: &str) -> Result<Option<Delivery>> {
    tx.optional(GET, args![organization, id]).await
}

/// The organization's, newest first, those before an id.
pub async fn list(
    db: &Db,
    organization: &str,
    filter: &Filter<'_>,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<Delivery>> {
    let Filter { endpoint_id, state, kind } = *filter;
    db.all(LIST, args![organization, endpoint_id, state, kind, before, limit]).await
}

/// What is due at an endpoint, the longest due first.
pub(in crate::webhooks_out) async fn due(
    db: &Db,
    endpoint: &str,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<Due>> {
    let rows: Vec<DueRow> = db.all(DUE, args![endpoint, now, limit]).await?;
    Ok(rows.into_iter().map(Due::from).collect())
}

/// When something is due next at an endpoint.
pub(in crate::webhooks_out) async fn next_due(db: &Db, endpoint: &str) -> Result<Option<Timestamp>> {
    let row: Option<(Timestamp,)> = db.optional(NEXT, args![endpoint]).await?;
    Ok(row.map(|row| row.0))
}

/// Writes what attempts came to.
pub(in crate::webhooks_out) async fn record(
    tx: &mut Tx,
    attempted: &[Attempted],
    now: Timestamp,
) -> Result<()> {
    let rows: Vec<_> = attempted
        .iter()
        .map(|one| Written {
            id: &one.id,
            before: one.attempts,
            attempts: if one.verdict.counts { one.attempts + 1 } else { 0 },
            state: one.verdict.state.as_str(),
            due_at: one.verdict.due_at.0,
            took_ms: one.verdict.took_ms(),
            status_code: one.verdict.status,
            error: one.verdict.error,
        })
        .collect();
    let rows = serde_json::to_string(&rows).map_err(|error| sqlx::Error::Encode(error.into()))?;
    tx.execute(RECORD, args![rows, now]).await?;
    Ok(())
}

/// Makes it due now, with all its attempts before it. Answers whether there is such a delivery.
pub(in crate::webhooks_out) async fn resend(
    tx: &mut Tx,
    organization: &str,
    id: &str,
    now: Timestamp,
) -> Result<bool> {
    Ok(tx.execute(RESEND, args![organization, id, now]).await? > 0)
}

/// Makes events due at an endpoint: with ids for the deliveries that are new, and only what was not delivered, or all.
/// Answers how many.
pub(in crate::webhooks_out) async fn replay(
    tx: &mut Tx,
    rows: &[Row<'_>],
    undelivered_only: bool,
) -> Result<u64> {
    let sql = if undelivered_only { REPLAY_UNDELIVERED } else { REPLAY };
    tx.insert(sql, rows).await
}

/// Makes what is pending at an endpoint due at a moment, with all its attempts before it, unless it was attempted since: the
/// next ones after a place. Answers the place of the last, if there may be more.
pub(in crate::webhooks_out) async fn hurry(
    tx: &mut Tx,
    organization: &str,
    endpoint: &str,
    since: Timestamp,
    after: &Place,
    limit: i64,
) -> Result<Option<Place>> {
    let some: Vec<Place> =
        tx.all(UNTRIED, args![organization, endpoint, since, after.due_at, &after.id, limit]).await?;
    let ids: serde_json::Value = some.iter().map(|place| place.id.as_str()).collect();
    tx.execute(HURRY, args![organization, ids.to_string(), since]).await?;
    let may_be_more = i64::try_from(some.len()).is_ok_and(|found| found >= limit);
    Ok(some.into_iter().next_back().filter(|_| may_be_more))
}

/// Gives up what is pending at an endpoint that is deleted.
pub(in crate::webhooks_out) async fn close(tx: &mut Tx, organization: &str, endpoint: &str) -> Result<()> {
    tx.execute(CLOSE, args![organization, endpoint]).await?;
    Ok(())
}

/// Forgets the deliveries that were wanted before a moment, except those that were attempted or made due again since.
pub(in crate::webhooks_out) async fn prune(db: &Db, before: Timestamp) -> Result<u64> {
    let (mut after, end, mut pruned) = (String::new(), first_id("whd", before), 0);
    loop {
        let batch: Vec<(String,)> = db.all(OLD, args![&after, &end, PRUNE_BATCH_MAX]).await?;
        let Some((last,)) = batch.into_iter().next_back() else { return Ok(pruned) };
        let mut tx = db.begin().await?;
        pruned += tx.execute(PRUNE, args![&after, &last, before]).await?;
        tx.commit().await?;
        after = last;
    }
}
