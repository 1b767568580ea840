//! Schedules: rows that fire jobs. Every node looks; firing is one transaction, so a tick fires once anywhere.

use crate::{
    args,
    kernel::{
        clock::Timestamp,
        context::Env,
        db::{Db, Result, Sql, Tx},
        family::CatchUp,
        limits::CATCH_UP_TICKS_MAX,
        outbox::{self, NewJob},
        registry::Registry,
        schedule::Ticks,
    },
};

/// A schedule as the code and the configuration want it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// The kind of its job.
    pub kind: String,
    /// The job's arguments as JSON.
    pub args: String,
    /// Cron expression.
    pub cron: String,
    /// IANA time zone.
    pub timezone: String,
    /// What to do about missed ticks.
    pub catch_up: CatchUp,
    /// Whether it fires at all.
    pub enabled: bool,
}

/// A schedule as it stands in the table.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// The kind of its job.
    pub kind: String,
    /// The job's arguments as JSON.
    pub args: String,
    /// Cron expression.
    pub cron: String,
    /// IANA time zone.
    pub timezone: String,
    /// `one`, `all` or `none`.
    pub catch_up: String,
    /// Switched on by configuration.
    pub enabled: bool,
    /// When people paused it.
    pub paused_at: Option<Timestamp>,
    /// The next tick.
    pub next_due: Option<Timestamp>,
    /// The last tick that fired.
    pub last_due: Option<Timestamp>,
    /// The job of the last tick.
    pub last_job_id: Option<String>,
}

/// The columns of a [`Row`].
macro_rules! columns {
    () => {
        "name, kind, args, cron, timezone, catch_up, enabled, paused_at, next_due, last_due, last_job_id"
    };
}

/// Schedules that meet a condition.
macro_rules! schedules {
    ($rest:literal) => {
        concat!("SELECT ", columns!(), " FROM schedules ", $rest)
    };
}

const ALL: Sql = Sql::both(schedules!("ORDER BY name"));
const LOCK: Sql = Sql::split(
    schedules!("WHERE name = $1"),
    schedules!("WHERE name = $1 FOR UPDATE"),
);
/// `next_due` is worked out anew only when expression or zone changed, so a restart does not skip what was missed.
const DECLARE: Sql = Sql::both(
    "INSERT INTO schedules (name, kind, args, cron, timezone, catch_up, enabled, next_due)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
     ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, args = excluded.args, catch_up = excluded.catch_up,
        enabled = excluded.enabled, cron = excluded.cron, timezone = excluded.timezone,
        next_due = CASE WHEN schedules.cron = excluded.cron AND schedules.timezone = excluded.timezone
                        THEN coalesce(schedules.next_due, excluded.next_due) ELSE excluded.next_due END",
);
const NAMES: Sql = Sql::both("SELECT name FROM schedules");
const RETIRE: Sql = Sql::both("DELETE FROM schedules WHERE name = $1");
const DUE: Sql = Sql::both(
    "SELECT name FROM schedules WHERE enabled AND paused_at IS NULL AND next_due <= $1 ORDER BY name",
);
const LOCK_DUE: Sql = Sql::split(
    schedules!("WHERE name = $1 AND enabled AND paused_at IS NULL AND next_due <= $2"),
    schedules!(
        "WHERE name = $1 AND enabled AND paused_at IS NULL AND next_due <= $2 FOR UPDATE SKIP LOCKED"
    ),
);
const ADVANCE: Sql = Sql::both(
    "UPDATE schedules SET next_due = $2, last_due = coalesce($3, last_due), last_job_id = coalesce($4, last_job_id)
     WHERE name = $1",
);
const PAUSE: Sql = Sql::both(concat!(
    "UPDATE schedules SET paused_at = $2 WHERE name = $1 RETURNING ",
    columns!()
));
/// Ticks missed while people had it paused are not caught up.
const RESUME: Sql = Sql::both(concat!(
    "UPDATE schedules SET paused_at = NULL, next_due = $2 WHERE name = $1 RETURNING ",
    columns!()
));

/// All schedules, by name.
pub async fn all(db: &Db) -> Result<Vec<Row>> {
    db.all(ALL, &[]).await
}

/// Makes the table hold exactly the wanted schedules; keeps what people paused and what is still due.
pub async fn declare(db: &Db, wanted: &[Wanted], now: Timestamp) -> Result<()> {
    let mut tx = db.begin().await?;
    for schedule in wanted {
        let next = Ticks::parse(&schedule.cron, &schedule.timezone)
            .ok()
            .and_then(|t| t.next(now));
        tx.execute(
            DECLARE,
            args![
                &schedule.name,
                &schedule.kind,
                &schedule.args,
                &schedule.cron,
                &schedule.timezone,
                schedule.catch_up.as_str(),
                schedule.enabled,
                next
            ],
        )
        .await?;
    }
    let names: Vec<(String,)> = tx.all(NAMES, &[]).await?;
    for (name,) in names {
        if !wanted.iter().any(|schedule| schedule.name == name) {
            tx.execute(RETIRE, args![name]).await?;
        }
    }
    tx.commit().await
}

/// Fires what is due and tells how many jobs it enqueued.
pub async fn fire_due(env: &Env, registry: &Registry) -> Result<usize> {
    let due: Vec<(String,)> = env.db.all(DUE, args![env.now()]).await?;
    let mut fired = 0;
    for (name,) in due {
        let mut tx = env.db.begin().await?;
        let now = env.now();
        // Another node may have fired it since we looked, or be firing it now.
        let Some(row): Option<Row> = tx.optional(LOCK_DUE, args![&name, now]).await? else {
            continue;
        };
        fired += fire(&mut tx, env, registry, &row, now).await?;
        tx.commit().await?;
    }
    Ok(fired)
}

async fn fire(
    tx: &mut Tx,
    env: &Env,
    registry: &Registry,
    row: &Row,
    now: Timestamp,
) -> Result<usize> {
    let (Ok(ticks), Some(first)) = (Ticks::parse(&row.cron, &row.timezone), row.next_due) else {
        return Ok(0);
    };
    let missed = ticks.missed(first, now, CATCH_UP_TICKS_MAX);
    let next = ticks.next(missed[missed.len() - 1]);
    // A tick is late, not missed, while its successor has not come.
    let fire = match CatchUp::parse(&row.catch_up).unwrap_or(CatchUp::One) {
        CatchUp::All => missed.as_slice(),
        CatchUp::One => &missed[missed.len() - 1..],
        CatchUp::None if missed.len() == 1 => missed.as_slice(),
        CatchUp::None => &[],
    };
    let mut jobs = Vec::with_capacity(fire.len());
    for tick in fire {
        jobs.extend(enqueue(tx, env, registry, row, *tick).await?);
    }
    let tick = fire.last().copied();
    tx.execute(ADVANCE, args![&row.name, next, tick, &jobs.last().cloned()])
        .await?;
    Ok(jobs.len())
}

async fn enqueue(
    tx: &mut Tx,
    env: &Env,
    registry: &Registry,
    row: &Row,
    tick: Timestamp,
) -> Result<Option<String>> {
    let args = serde_json::from_str(&row.args).unwrap_or_default();
    let job = registry
        .job(&row.kind)
        .map(|def| NewJob::from_def(def, "default", &args));
    match job {
        Some(Ok(job)) => Ok(Some(
            outbox::enqueue(tx, env, job.fired_by(&row.name, tick))
                .await?
                .id,
        )),
        Some(Err(error)) => {
            tracing::error!(schedule = row.name, %error, "the schedule's arguments do not fit its job");
            Ok(None)
        }
        None => {
            tracing::error!(
                schedule = row.name,
                kind = row.kind,
                "the schedule names an unknown job kind"
            );
            Ok(None)
        }
    }
}

/// Fires a schedule now, whatever the clock says, and leaves its next tick as it is. Answers the job; `None`: no such
/// schedule, or this binary cannot run its job.
pub async fn run_now(
    tx: &mut Tx,
    env: &Env,
    registry: &Registry,
    name: &str,
) -> Result<Option<String>> {
    match tx.optional(LOCK, args![name]).await? {
        Some(row) => enqueue(tx, env, registry, &row, env.now()).await,
        None => Ok(None),
    }
}

/// Pauses or resumes a schedule; answers it as it is then, if there is one of that name.
pub async fn set_paused(
    tx: &mut Tx,
    name: &str,
    paused: bool,
    now: Timestamp,
) -> Result<Option<Row>> {
    let row: Option<Row> = tx.optional(LOCK, args![name]).await?;
    match row {
        Some(row) if row.paused_at.is_some() != paused => {
            if paused {
                return tx.optional(PAUSE, args![name, now]).await;
            }
            let ticks = Ticks::parse(&row.cron, &row.timezone).ok();
            let next = ticks.and_then(|ticks| ticks.next(now));
            tx.optional(RESUME, args![name, next]).await
        }
        as_it_is => Ok(as_it_is),
    }
}
