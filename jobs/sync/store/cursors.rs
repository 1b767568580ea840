//! The table `sync_cursors`: how far a walk has come, so that a crash resumes it.

use crate::{
    args,
    kernel::{
        Timestamp,
        db::{Db, Result, Sql, Tx},
    },
};

/// How far a stream of an organization has been read.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Cursor {
    /// `events`, `backfill:<type>`, `reconcile:<type>`, `reproject`, or `unseen:<type>` where walks leave so many objects
    /// over that they are asked for by turns.
    pub stream: String,
    /// Where to go on: an id, or milliseconds for `events`; `None` at the start.
    pub cursor: Option<String>,
    /// `running` or `done`.
    pub state: String,
    /// Objects seen in this walk.
    pub objects: i64,
    /// When the walk began, in Stripe's time.
    pub started_at: Timestamp,
    /// When it last came further.
    pub updated_at: Timestamp,
}

impl Cursor {
    /// That of a walk that begins now.
    pub fn at_start(stream: String, now: Timestamp) -> Self {
        let state = "running".to_owned();
        Self { stream, cursor: None, state, objects: 0, started_at: now, updated_at: now }
    }
}

const GET: Sql = Sql::both(
    "SELECT stream, cursor, state, objects, started_at, updated_at FROM sync_cursors
     WHERE organization_id = $1 AND stream = $2",
);
const ALL: Sql = Sql::both(
    "SELECT stream, cursor, state, objects, started_at, updated_at FROM sync_cursors
     WHERE organization_id = $1 ORDER BY stream",
);
const PUT: Sql = Sql::both(
    "INSERT INTO sync_cursors (organization_id, stream, cursor, state, objects, started_at, updated_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7)
     ON CONFLICT (organization_id, stream) DO UPDATE SET cursor = excluded.cursor, state = excluded.state,
        objects = excluded.objects, started_at = excluded.started_at, updated_at = excluded.updated_at",
);
const TOUCH_RUNNING: Sql = Sql::both(
    "UPDATE sync_cursors SET updated_at = $3 WHERE organization_id = $1 AND stream = $2 AND state = 'running'",
);

/// One stream's cursor.
pub async fn get(db: &Db, organization: &str, stream: &str) -> Result<Option<Cursor>> {
    db.optional(GET, args![organization, stream]).await
}

/// One stream's cursor, as the transaction sees it.
pub async fn get_in(tx: &mut Tx, organization: &str, stream: &str) -> Result<Option<Cursor>> {
    tx.optional(GET, args![organization, stream]).await
}

/// Says that a walk is alive; `false` when none is under way. It waits for one that is just coming to its end, so that its
/// place is not taken for that of a new one.
pub async fn touch_running(
    tx: &mut Tx,
    organization: &str,
    stream: &str,
    now: Timestamp,
) -> Result<bool> {
    Ok(tx.execute(TOUCH_RUNNING, args![organization, stream, now]).await? > 0)
}

/// All cursors of an organization.
pub async fn all(db: &Db, organization: &str) -> Result<Vec<Cursor>> {
    db.all(ALL, args![organization]).await
}

/// Writes a cursor.
pub async fn put(tx: &mut Tx, organization: &str, cursor: &Cursor) -> Result<()> {
    let row = args![
        organization,
        &cursor.stream,
        &cursor.cursor,
        &cursor.state,
        cursor.objects,
        cursor.started_at,
        cursor.updated_at
    ];
    tx.execute(PUT, row).await?;
    Ok(())
}
