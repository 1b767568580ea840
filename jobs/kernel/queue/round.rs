//! One round of a lane: how runs ended is written and waiting jobs are claimed, in one transaction.

use std::{borrow::Cow, collections::BTreeSet, fmt::Write as _};

use super::{
    Ack, Outcome, ack,
    ack::Settled,
    claim::{self, Claim, Claimed, Position, Round},
    lease,
};
use crate::{
    args,
    kernel::{
        clock::Timestamp,
        db::{Db, Flush, Result, Sql},
        limits::ROUND_JOBS_MAX,
    },
};

/// Whether queue `$1` has limits of its own, so that its claims go the long way: 0 or 1.
macro_rules! limits {
    () => {
        "SELECT count(*) FROM queues WHERE name = $1 AND (paused_at IS NOT NULL OR concurrency IS NOT NULL
            OR max_running IS NOT NULL OR rate_per_second IS NOT NULL)"
    };
}

/// The whole round in one trip, for runs that completed and had nothing to tell, and queues without limits of their
/// own. On PostgreSQL all parts see the table as it was before, so what an exclusive job frees is not seen: rounds with
/// such ends go the long way.
///
/// The owner is compared in a way that no index answers: else PostgreSQL, whose statistics know of no running job, may
/// take all running jobs for each end, which is quadratic.
///
/// A round that only claims need not be flushed: should the server lose it, its jobs wait again, and whoever runs them is
/// not heard. Exclusive jobs are flushed, because another of their key might start before that is noticed.
///
/// All claimed jobs come in one row, as text with the control characters for records and units between them, which JSON
/// escapes: a row for each would cost more than the claim.
const AT_ONCE: Sql = Sql::split(
    concat!("DELETE FROM temp.round;
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
     SELECT id FROM jobs AS j WHERE queue = $1 AND ", waits!(), " AND due_at <= $2
        AND NOT (exclusive AND EXISTS (SELECT 1 FROM jobs AS r WHERE r.running_key IS NOT NULL AND r.running_key = j.unique_key))
        AND (priority, due_at, id) > ($9, $10, $11)
        ORDER BY priority, due_at, id
        LIMIT CASE (", limits!(), ") WHEN 0 THEN $5 ELSE 0 END;
     UPDATE jobs SET attempt = attempt + 1, fence = fence + 1, owner = $3, started_at = $2
     WHERE id IN (SELECT id FROM temp.round);
     INSERT INTO job_leases (id, queue, owner, until_at, jobs)
     SELECT $12, $1, $3, $4, json_group_object(id, fence) FROM jobs WHERE id IN (SELECT id FROM temp.round)
     HAVING count(*) > 0;
     DELETE FROM job_leases WHERE id IN (SELECT value FROM json_each($13));
     SELECT group_concat(concat_ws(char(31), id, organization_id, kind, args, priority, due_at, attempt, max_attempts,
           fence, owner, exclusive), char(30)) AS jobs,
        (", limits!(), ") AS limits,
        (SELECT ended FROM temp.round WHERE ended IS NOT NULL) AS ended, NULL AS heard
     FROM jobs WHERE id IN (SELECT id FROM temp.round)"),
    concat!("WITH limits (number) AS MATERIALIZED (", limits!(), "),
     gone AS (
        DELETE FROM jobs AS j
        USING unnest(string_to_array($6, ';'), string_to_array($7, ';')::bigint[], string_to_array($8, ';')::tid[])
            AS x (job_id, job_fence, place)
        WHERE j.ctid = x.place AND j.id = x.job_id AND j.fence = x.job_fence AND j.owner IS NOT DISTINCT FROM $3
        RETURNING j.*),
     done AS (
        INSERT INTO jobs_done (id, organization_id, queue, kind, args, priority, state, attempt, max_attempts,
           fence, unique_key, unique_running, exclusive, member_id, schedule, created_at, started_at, finished_at)
        SELECT id, organization_id, queue, kind, args, priority, 'completed', attempt, max_attempts,
           fence, unique_key, unique_running, exclusive, member_id, schedule, created_at, started_at, $2
        FROM gone),
     chosen AS MATERIALIZED (
        SELECT j.ctid AS chosen_place FROM jobs AS j
        WHERE queue = $1 AND ", waits!(), " AND due_at <= $2 AND (SELECT number FROM limits) = 0
          AND (priority, due_at, id) > ($9, $10, $11)
          AND NOT (exclusive AND EXISTS (SELECT 1 FROM jobs AS r WHERE r.running_key IS NOT NULL AND r.running_key = j.unique_key))
        ORDER BY priority, due_at, id LIMIT $5 FOR UPDATE SKIP LOCKED),
     claimed AS (
        UPDATE jobs SET attempt = attempt + 1, fence = fence + 1, owner = $3, started_at = $2
        FROM chosen WHERE jobs.ctid = chosen_place
        RETURNING id, organization_id, kind, args, priority, due_at, attempt, max_attempts, fence, owner, exclusive,
            jobs.ctid AS place),
     leased AS (
        INSERT INTO job_leases (id, queue, owner, until_at, jobs)
        SELECT $12, $1, $3, $4, json_object_agg(id, fence)::text FROM claimed HAVING count(*) > 0),
     spent AS (
        DELETE FROM job_leases WHERE id IN (
            SELECT id FROM job_leases WHERE id = ANY (ARRAY (SELECT jsonb_array_elements_text($13::jsonb)))
            FOR UPDATE SKIP LOCKED))
     SELECT (SELECT string_agg(concat_ws(E'\\x1f', id, organization_id, kind, args, priority, due_at, attempt,
           max_attempts, fence, owner, exclusive::int, place), E'\\x1e') FROM claimed) AS jobs,
        (SELECT number FROM limits) AS limits, (SELECT count(*) FROM gone) AS ended,
        CASE WHEN $6 = '' AND NOT EXISTS (SELECT 1 FROM claimed WHERE exclusive)
            THEN set_config('synchronous_commit', 'off', TRUE) END AS flush,
        (SELECT string_agg(id, ';') FROM gone HAVING count(*) < cardinality(string_to_array($6, ';'))) AS heard"),
);

/// The ends of runs, at most [`ROUND_JOBS_MAX`].
#[derive(Clone, Copy, Debug)]
pub enum Ends<'a> {
    /// Runs that completed and have nothing to tell, of jobs that are not exclusive.
    Plain {
        /// The process that ran them.
        owner: &'a str,
        /// The jobs.
        jobs: &'a [Plain<'a>],
    },
    /// Whatever came of them.
    Any(&'a [Ack]),
}

/// A job whose run completed and has nothing to tell.
#[derive(Clone, Copy, Debug)]
pub struct Plain<'a> {
    /// The job.
    pub id: &'a str,
    /// The claim.
    pub fence: i64,
    /// Where PostgreSQL had the row when it was claimed; `None`: unknown.
    pub place: Option<&'a str>,
}

/// What came of a round.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// Of the ends.
    pub settled: Settled,
    /// Jobs whose ends are still to be written: their rows were not where they had been, so they must be told again
    /// without a place.
    pub moved: BTreeSet<String>,
    /// Of the claim.
    pub round: Round,
}

/// Writes how runs ended and claims what is due, at most [`ROUND_JOBS_MAX`]; without `claim` it only writes.
pub async fn round(
    db: &Db,
    now: Timestamp,
    ends: Ends<'_>,
    claim: Option<&Claim<'_>>,
) -> Result<Done> {
    let mut done = match (ends, claim) {
        (Ends::Plain { owner, jobs }, Some(claim)) if owner == claim.owner && fits(db, jobs) => {
            let (done, limits) = at_once(db, jobs, claim).await?;
            if !limits {
                return Ok(done);
            }
            Some(done)
        }
        _ => None,
    };
    let mut tx = db.begin().await?;
    let settled = match &done {
        Some(done) => done.settled,
        None => ack::settle(&mut tx, now, &ends.acks()).await?,
    };
    let round = match claim {
        Some(claim) => claim::claim(&mut tx, claim).await?,
        None => Round::default(),
    };
    tx.commit().await?;
    let moved = done.take().map(|done| done.moved).unwrap_or_default();
    Ok(Done {
        settled,
        moved,
        round,
    })
}

/// Whether one statement can write these ends: PostgreSQL must know where each row is.
fn fits(db: &Db, jobs: &[Plain<'_>]) -> bool {
    !db.is_postgres() || jobs.iter().all(|job| job.place.is_some())
}

impl<'a> Ends<'a> {
    fn acks(self) -> Cow<'a, [Ack]> {
        match self {
            Self::Any(acks) => Cow::Borrowed(acks),
            Self::Plain { owner, jobs } => jobs
                .iter()
                .map(|job| Ack {
                    id: job.id.to_owned(),
                    fence: job.fence,
                    owner: owner.to_owned(),
                    outcome: Outcome::Completed { report: None },
                })
                .collect(),
        }
    }
}

/// The parameters `$6` to `$8`: ids, fences and places as PostgreSQL reads them fastest, or one JSON object for SQLite.
fn parameters(db: &Db, jobs: &[Plain<'_>]) -> [String; 3] {
    let mut texts = [String::new(), String::new(), String::new()];
    let [ids, fences, places] = &mut texts;
    let postgres = db.is_postgres();
    for job in jobs {
        let first = ids.is_empty();
        if postgres {
            let separator = if first { "" } else { ";" };
            // Writing into a text does not fail.
            let _ = write!(ids, "{separator}{}", job.id);
            let _ = write!(fences, "{separator}{}", job.fence);
            let _ = write!(places, "{separator}{}", job.place.unwrap_or_default());
        } else {
            let separator = if first { '{' } else { ',' };
            let _ = write!(ids, "{separator}\"{}\":{}", job.id, job.fence);
        }
    }
    if !postgres {
        ids.push_str(if jobs.is_empty() { "{}" } else { "}" });
    }
    texts
}

/// Answers also whether the queue has limits, so that nothing was claimed.
async fn at_once(db: &Db, ends: &[Plain<'_>], claim: &Claim<'_>) -> Result<(Done, bool)> {
    let [ids, fences, places] = parameters(db, ends);
    let want = claim
        .free
        .clamp(0, i64::try_from(ROUND_JOBS_MAX).unwrap_or(i64::MAX));
    let (priority, due_at, id) = claim.after.map_or(Position::HEAD, Position::parts);
    let args = args![
        claim.queue.as_str(),
        claim.now,
        claim.owner,
        claim.now.plus(claim.lease),
        want,
        ids,
        fences,
        places,
        priority,
        due_at,
        id,
        &claim.lease_id,
        lease::json(&claim.spent)?
    ];
    // A claim that is lost with the machine leaves a job that waits; whoever ran it was stopped, too, or is not heard.
    let flush = if ends.is_empty() {
        Flush::Later
    } else {
        Flush::Now
    };
    let line: Vec<Line> = db.alone_with(AT_ONCE, args, flush).await?;
    let Some(line) = line.into_iter().next() else {
        return Err(sqlx::Error::RowNotFound.into());
    };
    let mut jobs = read(line.jobs.as_deref().unwrap_or_default())?;
    claim::sort(&mut jobs);
    let found = i64::try_from(jobs.len()).unwrap_or(i64::MAX);
    let applied = u64::try_from(line.ended).unwrap_or(0);
    let mut done = Done {
        settled: Settled::of(applied, ends.len()),
        moved: BTreeSet::new(),
        round: Round {
            more: want > 0 && found == want,
            jobs,
        },
    };
    if db.is_postgres() && done.settled.stale > 0 {
        let heard = line.heard.unwrap_or_default();
        let heard: BTreeSet<&str> = heard.split(';').collect();
        let moved = ends
            .iter()
            .map(|end| end.id)
            .filter(|id| !heard.contains(id));
        done.moved = moved.map(str::to_owned).collect();
        done.settled.stale = 0;
    }
    Ok((done, line.limits != 0))
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
    /// On PostgreSQL, when not all were: whose.
    heard: Option<String>,
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
            place: next().map(str::to_owned),
        })
    };
    let read = records.map(|record| {
        let broken = || sqlx::Error::Decode("a claimed job cannot be read".into());
        job(record).ok_or_else(|| broken().into())
    });
    read.collect()
}
