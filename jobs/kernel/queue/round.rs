//! One round of a lane: how runs ended is written and waiting jobs are claimed, in one transaction.

use serde::{Serialize, Serializer};

use super::{
    Ack, Outcome, ack,
    ack::Settled,
    claim::{self, Claim, Claimed, Round},
};
use crate::{
    args,
    kernel::{
        clock::Timestamp,
        db::{Db, Result, Sql},
        limits::ROUND_JOBS_MAX,
    },
};

/// The whole round in one trip, for runs that completed and had nothing to tell, and queues without limits of
/// their own. On PostgreSQL all parts see the table as it was before, so what an exclusive job frees is not seen: rounds with such
/// ends go the long way.
///
/// The owner is compared in a way that no index answers: else PostgreSQL, whose statistics know of no running job, may
/// take all running jobs for each end, which is quadratic.
///
/// `$6` is one JSON object of ids and fences. All claimed jobs come in one row, as text with the control characters for
/// records and units between them, which JSON escapes: a row for each would cost more than the claim.
const AT_ONCE: Sql = Sql::split(
    "DELETE FROM temp.round;
     INSERT INTO jobs_done (id, organization_id, queue, kind, args, priority, state, attempt, max_attempts,
        fence, unique_key, unique_running, exclusive, member_id, schedule, created_at, started_at, finished_at)
     SELECT j.id, organization_id, queue, kind, args, priority, 'completed', attempt, max_attempts,
        fence, unique_key, unique_running, exclusive, member_id, schedule, created_at, started_at, $2
     FROM json_each($6) AS x CROSS JOIN jobs AS j ON j.id = x.key WHERE j.fence = x.value AND j.owner = $3;
     DELETE FROM jobs WHERE rowid IN (
        SELECT j.rowid FROM json_each($6) AS x CROSS JOIN jobs AS j ON j.id = x.key
        WHERE j.fence = x.value AND j.owner = $3);
     INSERT INTO temp.round (ended) SELECT changes();
     INSERT INTO temp.round (id)
     SELECT id FROM jobs AS j WHERE queue = $1 AND owner IS NULL AND due_at <= $2
        AND NOT (exclusive AND EXISTS (SELECT 1 FROM jobs AS r
                 WHERE r.unique_key = j.unique_key AND r.owner IS NOT NULL AND r.exclusive))
        ORDER BY priority, due_at, id
        LIMIT CASE WHEN EXISTS (SELECT 1 FROM queues WHERE name = $1 AND (paused_at IS NOT NULL
           OR concurrency IS NOT NULL OR max_running IS NOT NULL OR rate_per_second IS NOT NULL)) THEN 0 ELSE $5 END;
     UPDATE jobs SET attempt = attempt + 1, fence = fence + 1, owner = $3, lease_until = $4, started_at = $2
     WHERE id IN (SELECT id FROM temp.round);
     SELECT group_concat(concat_ws(char(31), id, organization_id, kind, args, priority, due_at, attempt, max_attempts,
           fence, owner, exclusive), char(30)) AS jobs,
        (SELECT count(*) FROM queues WHERE name = $1 AND (paused_at IS NOT NULL
           OR concurrency IS NOT NULL OR max_running IS NOT NULL OR rate_per_second IS NOT NULL)) AS limits,
        (SELECT ended FROM temp.round WHERE ended IS NOT NULL) AS ended
     FROM jobs WHERE id IN (SELECT id FROM temp.round)",
    "WITH limits AS MATERIALIZED (
        SELECT count(*) AS number FROM queues WHERE name = $1 AND (paused_at IS NOT NULL OR concurrency IS NOT NULL
           OR max_running IS NOT NULL OR rate_per_second IS NOT NULL)),
     gone AS (
        DELETE FROM jobs AS j USING json_each_text($6::json) AS x (job_id, fence)
        WHERE j.id = x.job_id AND j.fence = x.fence::bigint AND j.owner IS NOT DISTINCT FROM $3
        RETURNING j.*),
     done AS (
        INSERT INTO jobs_done (id, organization_id, queue, kind, args, priority, state, attempt, max_attempts,
           fence, unique_key, unique_running, exclusive, member_id, schedule, created_at, started_at, finished_at)
        SELECT id, organization_id, queue, kind, args, priority, 'completed', attempt, max_attempts,
           fence, unique_key, unique_running, exclusive, member_id, schedule, created_at, started_at, $2
        FROM gone),
     chosen AS MATERIALIZED (
        SELECT id AS chosen_id FROM jobs AS j
        WHERE queue = $1 AND owner IS NULL AND due_at <= $2 AND (SELECT number FROM limits) = 0
          AND NOT (exclusive AND EXISTS (SELECT 1 FROM jobs AS r
                   WHERE r.unique_key = j.unique_key AND r.owner IS NOT NULL AND r.exclusive))
        ORDER BY priority, due_at, id LIMIT $5 FOR UPDATE SKIP LOCKED),
     claimed AS (
        UPDATE jobs SET attempt = attempt + 1, fence = fence + 1, owner = $3, lease_until = $4, started_at = $2
        FROM chosen WHERE id = chosen_id
        RETURNING id, organization_id, kind, args, priority, due_at, attempt, max_attempts, fence, owner, exclusive)
     SELECT (SELECT string_agg(concat_ws(E'\\x1f', id, organization_id, kind, args, priority, due_at, attempt,
           max_attempts, fence, owner, exclusive::int), E'\\x1e') FROM claimed) AS jobs,
        (SELECT number FROM limits) AS limits, (SELECT count(*) FROM gone) AS ended",
);

/// The ends of runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ends<'a> {
    /// At most [`ROUND_JOBS_MAX`].
    pub acks: &'a [Ack],
    /// Whether one of the jobs was exclusive, so that others of its key wait for its end.
    pub exclusive: bool,
}

/// Writes how runs ended and claims what is due, at most [`ROUND_JOBS_MAX`]; without `claim` it only writes.
pub async fn round(
    db: &Db,
    now: Timestamp,
    ends: Ends<'_>,
    claim: Option<&Claim<'_>>,
) -> Result<(Settled, Round)> {
    let mut settled = None;
    if let Some(claim) = claim
        && !ends.exclusive
        && let Some(plain) = plain(ends.acks, claim)
    {
        let done = at_once(db, &plain, claim).await?;
        if let Some(round) = done.round {
            return Ok((done.settled, round));
        }
        settled = Some(done.settled);
    }
    let mut tx = db.begin().await?;
    let settled = match settled {
        Some(settled) => settled,
        None => ack::settle(&mut tx, now, ends.acks).await?,
    };
    let round = match claim {
        Some(claim) => claim::claim(&mut tx, claim).await?,
        None => Round::default(),
    };
    tx.commit().await?;
    Ok((settled, round))
}

/// Ids and fences, if these are ends that one statement can write.
fn plain<'a>(acks: &'a [Ack], claim: &Claim<'_>) -> Option<Vec<(&'a str, i64)>> {
    let one = |ack: &'a Ack| {
        let plain =
            matches!(ack.outcome, Outcome::Completed { report: None }) && ack.owner == claim.owner;
        plain.then_some((ack.id.as_str(), ack.fence))
    };
    acks.iter().map(one).collect()
}

/// Ids and fences as one JSON object.
struct Rows<'a>(&'a [(&'a str, i64)]);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

struct AtOnce {
    settled: Settled,
    /// `None`: the queue has limits, so nothing was claimed.
    round: Option<Round>,
}

async fn at_once(db: &Db, plain: &[(&str, i64)], claim: &Claim<'_>) -> Result<AtOnce> {
    let ends = serde_json::to_string(&Rows(plain));
    let ends = ends.map_err(|error| sqlx::Error::Encode(error.into()))?;
    let want = claim
        .free
        .clamp(0, i64::try_from(ROUND_JOBS_MAX).unwrap_or(i64::MAX));
    let args = args![
        claim.queue.as_str(),
        claim.now,
        claim.owner,
        claim.now.plus(claim.lease),
        want,
        ends
    ];
    let line: Vec<Line> = db.alone(AT_ONCE, args).await?;
    let Some(line) = line.into_iter().next() else {
        return Err(sqlx::Error::RowNotFound.into());
    };
    let mut jobs = read(line.jobs.as_deref().unwrap_or_default())?;
    claim::sort(&mut jobs);
    let found = i64::try_from(jobs.len()).unwrap_or(i64::MAX);
    Ok(AtOnce {
        settled: Settled::of(u64::try_from(line.ended).unwrap_or(0), plain.len()),
        round: (line.limits == 0).then_some(Round {
            more: want > 0 && found == want,
            jobs,
        }),
    })
}

/// What [`AT_ONCE`] answers.
#[derive(sqlx::FromRow)]
struct Line {
    /// The claimed jobs.
    jobs: Option<String>,
    /// Whether the queue has limits, so that nothing was claimed: 0 or 1.
    limits: i64,
    /// Ends that were written.
    ended: i64,
}

fn read(text: &str) -> Result<Vec<Claimed>> {
    let records = text.split('\u{1e}').filter(|record| !record.is_empty());
    let job = |record: &str| {
        let mut units = record.split('\u{1f}');
        let mut next = || units.next();
        let text = |unit: &str| Some(unit.to_owned());
        let number = |unit: &str| unit.parse::<i64>().ok();
        Some(Claimed {
            id: text(next()?)?,
            organization_id: text(next()?)?,
            kind: text(next()?)?,
            args: text(next()?)?,
            priority: number(next()?)?,
            due_at: Timestamp(number(next()?)?),
            attempt: number(next()?)?,
            max_attempts: number(next()?)?,
            fence: number(next()?)?,
            owner: text(next()?)?,
            exclusive: number(next()?)? != 0,
        })
    };
    let read = records.map(|record| {
        let broken = || sqlx::Error::Decode("a claimed job cannot be read".into());
        job(record).ok_or_else(|| broken().into())
    });
    read.collect()
}
