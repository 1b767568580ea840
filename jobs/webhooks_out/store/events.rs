//! What happened, read again: for replays, and to forget it.

use crate::{
    args,
    kernel::{
        Timestamp,
        db::{Db, Result, Sql, Tx},
        first_id,
        limits::PRUNE_BATCH_MAX,
    },
};

/// Events from an id on that happened in a time.
macro_rules! since {
    ($lock:literal) => {
        concat!(
            "SELECT id, type FROM events
             WHERE organization_id = $1 AND id > $2 AND occurred_at >= $3 AND occurred_at < $4 ORDER BY id LIMIT $5",
            $lock
        )
    };
}
/// The lock keeps what is replayed from being forgotten before its deliveries are there.
const SINCE: Sql = Sql::split(since!(""), since!(" FOR KEY SHARE"));
const NEXT: Sql = Sql::both("SELECT id FROM events WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3");
/// The newest event of a member stays, because it holds the number after which hers go on.
macro_rules! old {
    ($lock:literal) => {
        concat!(
            "SELECT id FROM events WHERE id > $1 AND id <= $2
               AND NOT EXISTS (SELECT 1 FROM webhook_deliveries AS d WHERE d.event_id = events.id)
               AND (member_id IS NULL OR EXISTS (SELECT 1 FROM events AS newer
                   WHERE newer.member_id = events.member_id AND newer.sequence > events.sequence))",
            $lock
        )
    };
}
const OLD: Sql = Sql::split(old!(""), old!(" FOR UPDATE"));
/// Those that were replayed before they could be locked have deliveries by now, which only a new statement sees.
const PRUNE: Sql = Sql::split(
    "DELETE FROM events WHERE id IN (SELECT value FROM json_each($1))
       AND NOT EXISTS (SELECT 1 FROM webhook_deliveries AS d WHERE d.event_id = events.id)",
    "DELETE FROM events WHERE id = ANY (ARRAY(SELECT jsonb_array_elements_text($1::jsonb)))
       AND NOT EXISTS (SELECT 1 FROM webhook_deliveries AS d WHERE d.event_id = events.id)",
);
/// Each is told once, whoever looks.
const TELL_DISCARDED: Sql = Sql::split(
    "UPDATE jobs_done SET told = TRUE
     WHERE id IN (SELECT id FROM jobs_done WHERE state = 'discarded' AND NOT told ORDER BY id LIMIT $1)
     RETURNING id, organization_id, kind, attempt, finished_at",
    "UPDATE jobs_done SET told = TRUE
     WHERE id IN (SELECT id FROM jobs_done WHERE state = 'discarded' AND NOT told ORDER BY id LIMIT $1
                  FOR UPDATE SKIP LOCKED)
     RETURNING id, organization_id, kind, attempt, finished_at",
);

/// A stretch of time.
#[derive(Clone, Copy, Debug)]
pub(in crate::webhooks_out) struct Stretch {
    /// From this moment on.
    pub(in crate::webhooks_out) since: Timestamp,
    /// Before this one.
    pub(in crate::webhooks_out) until: Timestamp,
}

/// The next events of a stretch after an id, as id and type.
pub(in crate::webhooks_out) async fn next(
    tx: &mut Tx,
    organization: &str,
    stretch: Stretch,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<(String, String)>> {
    let first = first_id("evt", stretch.since);
    let after = after.unwrap_or(&first);
    tx.all(SINCE, args![organization, after, stretch.since, stretch.until, limit]).await
}

/// Forgets what happened before a moment and is not being delivered.
pub(in crate::webhooks_out) async fn prune(db: &Db, before: Timestamp) -> Result<u64> {
    let (mut after, end, mut pruned) = (String::new(), first_id("evt", before), 0);
    loop {
        let batch: Vec<(String,)> = db.all(NEXT, args![&after, &end, PRUNE_BATCH_MAX]).await?;
        let Some((last,)) = batch.into_iter().next_back() else { return Ok(pruned) };
        let mut tx = db.begin().await?;
        let old: Vec<(String,)> = tx.all(OLD, args![&after, &last]).await?;
        let ids: serde_json::Value = old.into_iter().map(|row| row.0).collect();
        pruned += tx.execute(PRUNE, args![ids.to_string()]).await?;
        tx.commit().await?;
        after = last;
    }
}

/// A job that was discarded.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(in crate::webhooks_out) struct Discarded {
    /// `job_…`
    pub(in crate::webhooks_out) id: String,
    /// Whose.
    pub(in crate::webhooks_out) organization_id: String,
    /// What it did.
    pub(in crate::webhooks_out) kind: String,
    /// Attempts that it had.
    pub(in crate::webhooks_out) attempt: i64,
    /// When it was given up.
    pub(in crate::webhooks_out) finished_at: Timestamp,
}

/// Takes some of the discarded jobs that were not told outside, oldest first: they count as told if `tx` commits.
pub(in crate::webhooks_out) async fn take_discarded(tx: &mut Tx, limit: i64) -> Result<Vec<Discarded>> {
    let mut taken: Vec<Discarded> = tx.all(TELL_DISCARDED, args![limit]).await?;
    taken.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(taken)
}
