//! A schedule as the API shows it.

use axum::{http::StatusCode, response::Response};
use memberd_jobs::kernel::{
    Timestamp,
    queue::schedules::{self, Row},
};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::api::{Answer, ApiState, Begun, Caller, Code, IdempotencyKey, Kept, Once, Problem};

/// A schedule.
#[derive(Serialize, ToSchema)]
pub(super) struct ScheduleBody {
    /// Its name.
    #[schema(example = "housekeeping.prune_jobs")]
    name: String,
    /// The kind of job it enqueues.
    #[schema(example = "housekeeping.prune_jobs")]
    kind: String,
    /// When it fires: seconds, minutes, hours, days, months, weekdays.
    #[schema(example = "0 17 * * * *")]
    cron: String,
    /// The IANA time zone the expression is read in.
    #[schema(example = "UTC")]
    timezone: String,
    /// What happens to ticks missed during a downtime: `one`, `all` or `none` of them fires.
    #[schema(example = "one")]
    catch_up: String,
    /// Whether the configuration has it switched on.
    enabled: bool,
    /// Whether people paused it.
    paused: bool,
    /// Since when.
    #[schema(value_type = Option<String>, format = DateTime)]
    paused_at: Option<Timestamp>,
    /// Its next tick.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_due: Option<Timestamp>,
    /// The last tick that fired.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_due: Option<Timestamp>,
    /// The job of the last tick.
    last_job_id: Option<String>,
}

impl From<Row> for ScheduleBody {
    fn from(row: Row) -> Self {
        Self {
            name: row.name,
            kind: row.kind,
            cron: row.cron,
            timezone: row.timezone,
            catch_up: row.catch_up,
            enabled: row.enabled,
            paused: row.paused_at.is_some(),
            paused_at: row.paused_at,
            next_due: row.next_due,
            last_due: row.last_due,
            last_job_id: row.last_job_id,
        }
    }
}

pub(super) fn not_found(name: &str) -> Problem {
    Problem::new(Code::NotFound, format!("there is no schedule {name}"))
}

/// Pauses or resumes a schedule; answers the schedule.
pub(super) async fn set_paused(
    state: &ApiState,
    caller: &Caller,
    key: IdempotencyKey,
    name: &str,
    paused: bool,
) -> Answer<Response> {
    let asked = json!({ "schedule": name, "paused": paused });
    let once = match key.begin(state, caller, &asked).await? {
        Begun::First(once) => once,
        Begun::Replayed(response) => return Ok(response),
    };
    let set = set_first(state, name, paused, &once).await;
    Ok(once.ended(state, set).await?.into_response())
}

async fn set_first(state: &ApiState, name: &str, paused: bool, once: &Once) -> Answer<Kept> {
    let env = &state.env;
    let mut tx = env.db.begin().await?;
    let row = schedules::set_paused(&mut tx, name, paused, env.now()).await?;
    let row = row.ok_or_else(|| not_found(name))?;
    let kept = Kept::json(StatusCode::OK, &ScheduleBody::from(row))?;
    once.settle(&mut tx, &kept).await?;
    tx.commit().await?;
    Ok(kept)
}
