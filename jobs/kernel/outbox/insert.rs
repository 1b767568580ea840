//! The statements that insert jobs.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::{Enqueued, NewJob};
use crate::{
    args,
    kernel::{
        clock::Timestamp,
        db::{Arg, Db, Result, Sql, Tx},
        job::Unique,
    },
};

#[derive(Serialize)]
struct Row<'a> {
    id: String,
    organization_id: &'a str,
    queue: &'static str,
    kind: &'static str,
    args: &'a str,
    priority: i64,
    due_at: i64,
    max_attempts: i64,
    unique_key: Option<&'a str>,
    unique_running: bool,
    exclusive: bool,
    member_id: Option<&'a str>,
    schedule: Option<&'a str>,
}

macro_rules! insert_sql {
    ($conflict:literal) => {
        Sql::split(
            concat!(
                "INSERT INTO jobs (id, organization_id, queue, kind, args, priority, due_at, max_attempts,
                   unique_key, unique_running, exclusive, member_id, schedule, created_at)
                 SELECT value ->> 'id', value ->> 'organization_id', value ->> 'queue', value ->> 'kind',
                   value ->> 'args', value ->> 'priority', value ->> 'due_at', value ->> 'max_attempts',
                   value ->> 'unique_key', value ->> 'unique_running', value ->> 'exclusive',
                   value ->> 'member_id', value ->> 'schedule', $2
                 FROM json_each($1) WHERE TRUE ",
                $conflict,
                " RETURNING id, unique_key"
            ),
            concat!(
                "INSERT INTO jobs (id, organization_id, queue, kind, args, priority, due_at, max_attempts,
                   unique_key, unique_running, exclusive, member_id, schedule, created_at)
                 SELECT id, organization_id, queue, kind, args, priority, due_at, max_attempts,
                   unique_key, unique_running, exclusive, member_id, schedule, $2
                 FROM jsonb_to_recordset($1::jsonb) AS x (id text, organization_id text, queue text, kind text,
                   args text, priority bigint, due_at bigint, max_attempts bigint, unique_key text,
                   unique_running boolean, exclusive boolean, member_id text, schedule text)
                 ORDER BY unique_key ",
                $conflict,
                " RETURNING id, unique_key"
            ),
        )
    };
}

pub(super) const INSERT: Sql = insert_sql!("");
macro_rules! insert_alike_sql {
    ($rows:literal) => {
        concat!(
            "INSERT INTO jobs (id, args, organization_id, queue, kind, priority, due_at, max_attempts, created_at)
             SELECT key, value, $2, $3, $4, $5, $6, $7, $8 FROM ",
            $rows
        )
    };
}

/// Jobs that differ in nothing but id and arguments, as one JSON object of the two.
const INSERT_ALIKE: Sql = Sql::split(
    insert_alike_sql!("json_each($1)"),
    insert_alike_sql!("json_each_text($1::json)"),
);
/// The same with its announcement, for a transaction of its own.
const INSERT_ALIKE_ALONE: Sql = Sql::split(
    insert_alike_sql!("json_each($1)"),
    concat!(
        "WITH new AS (",
        insert_alike_sql!("json_each_text($1::json)"),
        ") SELECT pg_notify('memberd_jobs', $3)::text AS told"
    ),
);
/// Who folds in has all the attempts that a job of its own would have: else a burst during an outage would hasten the
/// waiting job through its attempts within minutes.
pub(super) const INSERT_UNIQUE_WAITING: Sql = insert_sql!(
    "ON CONFLICT (waiting_key) WHERE waiting_key IS NOT NULL DO UPDATE
     SET due_at = CASE WHEN excluded.due_at < jobs.due_at THEN excluded.due_at ELSE jobs.due_at END, attempt = 0"
);
pub(super) const INSERT_UNIQUE_LIVE: Sql = insert_sql!(
    "ON CONFLICT (unique_key) WHERE unique_key IS NOT NULL AND unique_running DO UPDATE
     SET due_at = CASE WHEN jobs.owner IS NULL AND excluded.due_at < jobs.due_at
                       THEN excluded.due_at ELSE jobs.due_at END"
);
/// Inserts jobs without keys that are alike; answers whether they are.
pub(super) async fn insert_alike(
    tx: &mut Tx,
    jobs: &[NewJob],
    group: &[usize],
    done: &[Enqueued],
    now: Timestamp,
) -> Result<bool> {
    let rows: Vec<_> = group.iter().map(|at| (&jobs[*at], &done[*at])).collect();
    if rows.is_empty() {
        return Ok(true);
    }
    let Some(alike) = Alike::of(&rows) else {
        return Ok(false);
    };
    tx.execute(INSERT_ALIKE, &alike.args(now)?).await?;
    Ok(true)
}

/// The same in a transaction of its own; the jobs have no keys.
pub(super) async fn insert_alike_alone(
    db: &Db,
    jobs: &[NewJob],
    done: &[Enqueued],
    now: Timestamp,
) -> Result<bool> {
    let rows: Vec<_> = jobs.iter().zip(done).collect();
    let Some(alike) = Alike::of(&rows) else {
        return Ok(false);
    };
    let _told: Vec<(String,)> = db.alone(INSERT_ALIKE_ALONE, &alike.args(now)?).await?;
    Ok(true)
}

/// Jobs that differ in nothing but id and arguments.
struct Alike<'a> {
    first: &'a NewJob,
    rows: Pairs<'a>,
}

impl<'a> Alike<'a> {
    fn of(rows: &[(&'a NewJob, &'a Enqueued)]) -> Option<Self> {
        let (first, _) = rows.first()?;
        let one_for_all = |job: &NewJob| (job.kind, job.priority, job.due_at, job.max_attempts);
        let alike = |job: &NewJob| {
            let plain = job.member_id.is_none() && job.schedule.is_none() && !job.exclusive;
            plain
                && job.organization_id == first.organization_id
                && one_for_all(job) == one_for_all(first)
        };
        rows.iter().all(|(job, _)| alike(job)).then(|| Self {
            first,
            rows: Pairs(
                rows.iter()
                    .map(|(job, done)| (&done.id, &job.args))
                    .collect(),
            ),
        })
    }

    fn args(&self, now: Timestamp) -> Result<[Arg<'a>; 8]> {
        let first = self.first;
        Ok([
            json(&self.rows)?.into(),
            (&first.organization_id).into(),
            first.queue.as_str().into(),
            first.kind.into(),
            first.priority.into(),
            first.due_at.unwrap_or(now).into(),
            first.max_attempts.into(),
            now.into(),
        ])
    }
}

/// Ids and arguments as one JSON object.
struct Pairs<'a>(Vec<(&'a String, &'a String)>);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

fn json(rows: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string(rows).map_err(|error| sqlx::Error::Encode(error.into()))?)
}

pub(super) async fn insert(
    tx: &mut Tx,
    sql: Sql,
    jobs: &[NewJob],
    group: &[usize],
    done: &mut [Enqueued],
    now: Timestamp,
) -> Result<()> {
    if group.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = group
        .iter()
        .map(|at| row(&jobs[*at], &done[*at].id, now))
        .collect();
    let stored: Vec<(String, Option<String>)> = tx.all(sql, args![json(&rows)?, now]).await?;
    let by_key: BTreeMap<_, _> = stored
        .into_iter()
        .filter_map(|(id, key)| Some((key?, id)))
        .collect();
    for at in group {
        let holder = jobs[*at]
            .unique_key
            .as_ref()
            .and_then(|key| by_key.get(key));
        if let Some(id) = holder.filter(|id| **id != done[*at].id) {
            done[*at] = Enqueued {
                id: id.clone(),
                folded: true,
            };
        }
    }
    Ok(())
}

fn row<'a>(job: &'a NewJob, id: &str, now: Timestamp) -> Row<'a> {
    let in_table = matches!(job.unique, Unique::Waiting | Unique::Live) || job.exclusive;
    Row {
        id: id.to_owned(),
        organization_id: &job.organization_id,
        queue: job.queue.as_str(),
        kind: job.kind,
        args: &job.args,
        priority: job.priority,
        due_at: job.due_at.unwrap_or(now).0,
        max_attempts: job.max_attempts,
        unique_key: job.unique_key.as_deref().filter(|_| in_table),
        unique_running: job.unique == Unique::Live,
        exclusive: job.exclusive,
        member_id: job.member_id.as_deref(),
        schedule: job.schedule.as_deref(),
    }
}
