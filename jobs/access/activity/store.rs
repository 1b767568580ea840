//! The SQL of the activity log.

use super::{CALL_ID_PREFIX, Call, Filter, Listed};
use crate::{
    args,
    kernel::{
        Timestamp,
        db::{Arg, Db, Flush, Result, Row, Sql},
        first_id,
        limits::{PRUNE_BATCH_MAX, WALK_ROWS_MAX},
    },
};

/// Newer than every id.
const NEWEST: &str = "~";
/// Older than every id.
const OLDEST: &str = "";

/// What a row is made of, in the order of [`values`].
macro_rules! insert {
    ($values:literal) => {
        concat!(
            "INSERT INTO activity (organization_id, id, key_id, method, route, object_id, made_id, request_id, status,
                milliseconds, calls, created_at) ",
            $values
        )
    };
}
/// The calls of an organization within two ids, with another condition.
macro_rules! within {
    ($columns:literal, $key:literal, $rest:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM activity WHERE organization_id = $1 AND id < $2 AND id >= $3 AND ",
            $key,
            $rest
        )
    };
}
macro_rules! list {
    ($key:literal) => {
        Sql::both(within!(
            "id, organization_id, key_id, method, route, object_id, made_id, request_id, status, milliseconds, calls,
             created_at",
            $key,
            " AND (CAST($5 AS TEXT) IS NULL OR method = $5)
              AND (CAST($6 AS TEXT) IS NULL OR route = $6)
              AND (CAST($7 AS BIGINT) IS NULL OR coalesce(status, 0) BETWEEN $7 AND $8)
              AND (CAST($9 AS TEXT) IS NULL OR object_id = $9 OR made_id = $9)
              ORDER BY id DESC LIMIT $10"
        ))
    };
}
macro_rules! floor {
    ($key:literal) => {
        Sql::both(within!("id", $key, " ORDER BY id DESC LIMIT 1 OFFSET $5"))
    };
}

/// On PostgreSQL the commit waits for no disk; on SQLite [`Flush::Later`] sees to it.
const BEGIN: Sql = Sql::split(
    insert!("VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"),
    insert!(
        "SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12
         FROM (SELECT set_config('synchronous_commit', 'off', TRUE) AS word) AS flush WHERE flush.word = 'off'"
    ),
);
const WRITE: Sql = Sql::both(insert!(
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
     ON CONFLICT (organization_id, id) DO UPDATE SET object_id = excluded.object_id,
        made_id = excluded.made_id, status = excluded.status, milliseconds = excluded.milliseconds, calls = excluded.calls"
));
const LIST: Sql = list!("CAST($4 AS TEXT) IS NULL");
const LIST_OF_KEY: Sql = list!("key_id = $4");
const FLOOR: Sql = floor!("CAST($4 AS TEXT) IS NULL");
const FLOOR_OF_KEY: Sql = floor!("key_id = $4");
const ORGANIZATIONS: Sql = Sql::both("SELECT id FROM organizations ORDER BY id");
/// Calls that one statement walks over to find those that are too many, so that it takes no long time.
const COUNT_STEP: i64 = 100_000;
/// Of the calls before `$2`, the one after `$3` younger ones.
const YOUNGER: Sql = Sql::both(
    "SELECT id FROM activity WHERE organization_id = $1 AND id < $2
     ORDER BY id DESC LIMIT 1 OFFSET $3",
);
const PRUNE: Sql = Sql::both(
    "DELETE FROM activity WHERE organization_id = $1 AND id IN
       (SELECT id FROM activity WHERE organization_id = $1 AND id <= $2 ORDER BY id LIMIT $3)",
);

fn values(call: &Call) -> [Arg<'_>; 12] {
    [
        call.organization_id.as_str().into(),
        call.id.as_str().into(),
        call.key_id.as_str().into(),
        call.method.as_str().into(),
        call.route.as_str().into(),
        call.object_id.as_deref().into(),
        call.made_id.as_deref().into(),
        call.request_id.as_str().into(),
        call.status.into(),
        call.milliseconds.into(),
        call.calls.into(),
        call.created_at.into(),
    ]
}

/// Writes down that a call begins. Whatever is committed after this has returned is durable only together with this row.
///
/// # Errors
/// The database's. Then nothing may be done for the call.
pub async fn begin(db: &Db, call: &Call) -> Result<()> {
    let _: Vec<(i64,)> = db.alone_with(BEGIN, &values(call), Flush::Later).await?;
    Ok(())
}

/// Writes calls down, each once; of those that have begun, what came of them.
pub async fn write(db: &Db, calls: &[Call]) -> Result<()> {
    let rows: Vec<Row<'_>> = calls.iter().map(|call| values(call).to_vec()).collect();
    let mut tx = db.begin().await?;
    tx.insert(WRITE, &rows).await?;
    tx.commit().await
}

/// A page of an organization's calls, at most `limit` and older than the id `before`. It looks at a bounded number of
/// calls, so that it takes no longer however many there are.
pub async fn list(
    db: &Db,
    organization: &str,
    filter: &Filter<'_>,
    before: Option<&str>,
    limit: i64,
) -> Result<Listed> {
    page(db, organization, filter, before, (limit, WALK_ROWS_MAX)).await
}

/// [`list`], with another number of calls that are looked at.
pub(super) async fn page(
    db: &Db,
    organization: &str,
    filter: &Filter<'_>,
    before: Option<&str>,
    (limit, walk): (i64, i64),
) -> Result<Listed> {
    let newest = filter.before.map_or_else(
        || NEWEST.to_owned(),
        |before| first_id(CALL_ID_PREFIX, before),
    );
    let newest = before.map_or(newest.as_str(), |before| before.min(&newest));
    let oldest = filter.after.map_or_else(
        || OLDEST.to_owned(),
        |after| first_id(CALL_ID_PREFIX, Timestamp(after.0 + 1)),
    );
    let (floor, rows) = match filter.key_id {
        Some(_) => (FLOOR_OF_KEY, LIST_OF_KEY),
        None => (FLOOR, LIST),
    };
    let args = args![organization, newest, &oldest, filter.key_id, walk - 1];
    let floor: Option<(String,)> = db.optional(floor, args).await?;
    let floor = floor.map(|row| row.0);
    let (from, to) = filter.status.unzip();
    let args = args![
        organization,
        newest,
        floor.as_ref().unwrap_or(&oldest),
        filter.key_id,
        filter.method,
        filter.route,
        from,
        to,
        filter.object_id,
        limit + 1
    ];
    let mut calls: Vec<Call> = db.all(rows, args).await?;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let before = if calls.len() > shown {
        calls.truncate(shown);
        calls.last().map(|call| call.id.clone())
    } else {
        floor
    };
    Ok(Listed { calls, before })
}

/// Forgets calls of before `before`, and then in each organization those that are not among the `keep` youngest. Answers
/// how many.
pub async fn prune(db: &Db, before: Timestamp, keep: i64) -> Result<u64> {
    let organizations: Vec<(String,)> = db.all(ORGANIZATIONS, &[]).await?;
    let mut pruned = 0;
    for (organization,) in &organizations {
        pruned += forget(db, organization, &first_id(CALL_ID_PREFIX, before)).await?;
    }
    for (organization,) in &organizations {
        if let Some(end) = surplus(db, organization, keep, COUNT_STEP).await? {
            pruned += forget(db, organization, &end).await?;
        }
    }
    Ok(pruned)
}

/// Forgets an organization's calls up to this one.
async fn forget(db: &Db, organization: &str, end: &str) -> Result<u64> {
    let mut pruned = 0;
    loop {
        let mut tx = db.begin().await?;
        let rows = tx.execute(PRUNE, args![organization, end, PRUNE_BATCH_MAX]).await?;
        tx.commit().await?;
        pruned += rows;
        if i64::try_from(rows).is_ok_and(|rows| rows < PRUNE_BATCH_MAX) {
            return Ok(pruned);
        }
    }
}

/// The youngest call that is not among the `keep` youngest. No statement walks over more than `step` of them.
pub(super) async fn surplus(db: &Db, organization: &str, keep: i64, step: i64) -> Result<Option<String>> {
    // Above every id.
    let (mut at, mut left) = (format!("{CALL_ID_PREFIX}_~"), keep);
    loop {
        let younger = left.min(step);
        let found: Option<(String,)> = db.optional(YOUNGER, args![organization, &at, younger]).await?;
        let Some((found,)) = found else { return Ok(None) };
        if younger == left {
            return Ok(Some(found));
        }
        // The one that was found is one of the youngest, too.
        (at, left) = (found, left - younger - 1);
    }
}
