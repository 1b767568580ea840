//! A schedule as the API shows it.

use memberd_jobs::kernel::{
    Timestamp,
    queue::schedules::{self, Row},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{Answer, ApiState, Code, Problem};

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

/// The schedule of this name.
pub(super) async fn found(state: &ApiState, name: &str) -> Answer<ScheduleBody> {
    let rows = schedules::all(&state.env.db).await?;
    rows.into_iter()
        .find(|row| row.name == name)
        .map(ScheduleBody::from)
        .ok_or_else(|| Problem::new(Code::NotFound, format!("there is no schedule {name}")))
}

/// Pauses or resumes a schedule.
pub(super) async fn set_paused(state: &ApiState, name: &str, paused: bool) -> Answer<ScheduleBody> {
    schedules::set_paused(&state.env, name, paused).await?;
    found(state, name).await
}
