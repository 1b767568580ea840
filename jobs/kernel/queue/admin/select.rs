//! The statements that look for jobs: one pair for each way that an index offers.

use crate::kernel::db::Sql;

/// Through which index each of the two tables is read, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// All jobs, by their ids.
    All,
    /// All waiting and running jobs, by their ids.
    Unfinished,
    /// All finished jobs, by their ids.
    Finished,
    /// The jobs about a member.
    Member,
    /// The jobs that a schedule fired.
    Schedule,
    /// The running jobs.
    Running,
    /// The jobs that were cancelled or discarded: those of one state.
    Failed,
}

/// Waiting and running jobs of organization `$1`, or those of a view, with the state at `$2`.
macro_rules! live {
    () => {
        live!("jobs")
    };
    ($jobs:literal) => {
        concat!("SELECT id, queue, kind, args, priority,
            CASE WHEN owner IS NOT NULL THEN 'running' WHEN attempt > 0 THEN 'retryable'
                 WHEN due_at > $2 THEN 'scheduled' ELSE 'available' END AS state,
            attempt, max_attempts, due_at, owner, cancel_requested_at, member_id, schedule, created_at, started_at,
            CAST(NULL AS BIGINT) AS finished_at, CAST(NULL AS TEXT) AS error, CAST(NULL AS TEXT) AS report
         FROM ", $jobs, " WHERE organization_id = $1 AND ")
    };
}

/// Finished jobs of organization `$1`.
macro_rules! done {
    () => {
        "SELECT id, queue, kind, args, priority, state,
            attempt, max_attempts, CAST(NULL AS BIGINT) AS due_at, CAST(NULL AS TEXT) AS owner,
            CAST(NULL AS BIGINT) AS cancel_requested_at, member_id, schedule, created_at, started_at,
            finished_at, error, report
         FROM jobs_done WHERE organization_id = $1 AND "
    };
}

/// What a filter asks for.
macro_rules! passes {
    () => {
        "($3 IS NULL OR state = $3) AND ($4 IS NULL OR kind = $4) AND ($5 IS NULL OR queue = $5)
         AND ($6 IS NULL OR member_id = $6) AND ($7 IS NULL OR schedule = $7) AND ($8 IS NULL OR created_at > $8)"
    };
}

/// The newest of one table's jobs, at most `$11` of those from `$10` to before `$9` that pass the filter.
macro_rules! newest {
    ($jobs:expr, $way:literal) => {
        concat!(
            "SELECT * FROM (SELECT * FROM (",
            $jobs,
            $way,
            ") AS t WHERE ",
            passes!(),
            " ORDER BY id DESC LIMIT $11) AS newest"
        )
    };
}

/// What is shown of the jobs `p`; the last failure is looked up only for those that still have a next attempt.
macro_rules! shown {
    ($jobs:expr) => {
        concat!(
            "SELECT id, queue, kind, args, priority, state, attempt, max_attempts, due_at, owner,
                cancel_requested_at, member_id, schedule, created_at, started_at, finished_at,
                CASE WHEN state IN ('running', 'retryable') THEN
                    (SELECT a.error FROM job_attempts AS a WHERE a.job_id = p.id ORDER BY a.fence DESC LIMIT 1)
                    ELSE error END AS error,
                report
             FROM (",
            $jobs,
            ") AS p ORDER BY id DESC"
        )
    };
}

/// The jobs of both tables, or of one. Each stops at its own newest, so that an index is read from its end and nothing
/// is sorted.
macro_rules! rows {
    ($way:literal) => {
        Sql::both(shown!(concat!(
            newest!(live!(), $way),
            " UNION ALL ",
            newest!(done!(), $way),
            " ORDER BY id DESC LIMIT $11"
        )))
    };
    ($jobs:ident: $way:literal) => {
        Sql::both(shown!(newest!($jobs!(), $way)))
    };
}

/// Where a walk of `$2` jobs and one more, beginning before `$1`, stops in a table.
macro_rules! floor {
    ($table:literal, $way:literal) => {
        concat!(
            "(SELECT id FROM ",
            $table,
            " WHERE ",
            $way,
            " ORDER BY id DESC LIMIT 1 OFFSET $2)"
        )
    };
}
macro_rules! floors {
    ($live:expr, $done:expr) => {
        Sql::both(concat!("SELECT ", $live, " AS live, ", $done, " AS done"))
    };
}
macro_rules! nothing {
    () => {
        "CAST(NULL AS TEXT)"
    };
}

const FLOORS_ALL: Sql = floors!(floor!("jobs", "id < $1"), floor!("jobs_done", "id < $1"));
const FLOORS_UNFINISHED: Sql = floors!(floor!("jobs", "id < $1"), nothing!());
const FLOORS_FINISHED: Sql = floors!(nothing!(), floor!("jobs_done", "id < $1"));
const FLOORS_MEMBER: Sql = floors!(
    floor!("jobs", "member_id = $3 AND id < $1"),
    floor!("jobs_done", "member_id = $3 AND id < $1")
);
const FLOORS_SCHEDULE: Sql = floors!(
    floor!("jobs", "schedule = $3 AND id < $1"),
    floor!("jobs_done", "schedule = $3 AND id < $1")
);
/// The running jobs are few: all are looked at and sorted.
const FLOORS_RUNNING: Sql = floors!(floor!("jobs_running", "id < $1"), nothing!());
/// SQLite takes a partial index only where its condition stands.
const FLOORS_FAILED: Sql = floors!(
    nothing!(),
    floor!(
        "jobs_done",
        "state = $3 AND state <> 'completed' AND id < $1"
    )
);

/// The ids at which a walk stops: `$1` before which it begins, `$2` jobs that it passes, `$3` what the way looks for.
pub(super) const fn floors(access: Access) -> Sql {
    match access {
        Access::All => FLOORS_ALL,
        Access::Unfinished => FLOORS_UNFINISHED,
        Access::Finished => FLOORS_FINISHED,
        Access::Member => FLOORS_MEMBER,
        Access::Schedule => FLOORS_SCHEDULE,
        Access::Running => FLOORS_RUNNING,
        Access::Failed => FLOORS_FAILED,
    }
}

const ALL: Sql = rows!("id < $9 AND id >= $10");
const UNFINISHED_ROWS: Sql = rows!(live: "id < $9 AND id >= $10");
const FINISHED: Sql = rows!(done: "id < $9 AND id >= $10");
const MEMBER: Sql = rows!("member_id = $6 AND id < $9 AND id >= $10");
const SCHEDULE: Sql = rows!("schedule = $7 AND id < $9 AND id >= $10");
const RUNNING: Sql = Sql::both(shown!(concat!(
    "SELECT * FROM (",
    live!("jobs_running"),
    "id < $9 AND id >= $10) AS t WHERE ",
    passes!(),
    " ORDER BY id DESC LIMIT $11"
)));
const FAILED: Sql = rows!(done: "state = $3 AND state <> 'completed' AND id < $9 AND id >= $10");

/// The jobs from `$10` to before `$9` that pass the filter `$1` to `$8`, newest first, at most `$11`.
pub(super) const fn rows(access: Access) -> Sql {
    match access {
        Access::All => ALL,
        Access::Unfinished => UNFINISHED_ROWS,
        Access::Finished => FINISHED,
        Access::Member => MEMBER,
        Access::Schedule => SCHEDULE,
        Access::Running => RUNNING,
        Access::Failed => FAILED,
    }
}

/// Which of the jobs in the JSON array `$9` pass the filter.
pub(super) const AMONG: Sql = Sql::split(
    concat!(
        "SELECT id FROM (",
        live!(),
        "id IN (SELECT value FROM json_each($9)) UNION ALL ",
        done!(),
        "id IN (SELECT value FROM json_each($9))) AS t WHERE ",
        passes!(),
        " ORDER BY id"
    ),
    concat!(
        "SELECT id FROM (",
        live!(),
        "id IN (SELECT jsonb_array_elements_text($9::jsonb)) UNION ALL ",
        done!(),
        "id IN (SELECT jsonb_array_elements_text($9::jsonb))) AS t WHERE ",
        passes!(),
        " ORDER BY id"
    ),
);

pub(super) const SHOW: Sql = Sql::both(shown!(concat!(
    live!(),
    "id = $3 UNION ALL ",
    done!(),
    "id = $3"
)));

pub(super) const ATTEMPTS: Sql = Sql::both(
    "SELECT attempt, owner, started_at, ended_at, outcome, error FROM job_attempts
     WHERE job_id = $1 ORDER BY fence",
);

pub(super) const UNFINISHED: Sql =
    Sql::both("SELECT count(*) FROM jobs WHERE owner IS NOT NULL OR due_at <= $1 OR attempt > 0");
