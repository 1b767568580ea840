//! `POST /v1/schedules/{schedule}/run`

use axum::{extract::State, http::StatusCode, response::Response};
use memberd_jobs::kernel::queue::schedules;
use serde_json::json;

use super::model::not_found;
use crate::api::{
    Answer, ApiState, Begun, Caller, Code, IdempotencyKey, Kept, NoQuery, Once, Path, Problem,
    v1::jobs::{self, Job},
};

/// Run a schedule now
///
/// Enqueues its job, whatever the clock says; its next tick stays as it is.
#[utoipa::path(post, path = "/v1/schedules/{schedule}/run", tag = "schedules", operation_id = "run_schedule",
    params(("schedule" = String, Path, description = "The schedule's name.", example = "housekeeping.prune_jobs"),
        IdempotencyKey),
    responses((status = 201, description = "The job.", body = Job)))]
pub(super) async fn run(
    State(state): State<ApiState>,
    caller: Caller,
    Path(schedule): Path<String>,
    _: NoQuery,
    key: IdempotencyKey,
) -> Answer<Response> {
    let asked = json!({ "run_schedule": schedule });
    let once = match key.begin(&state, &caller, &asked).await? {
        Begun::First(once) => once,
        Begun::Replayed(response) => return Ok(response),
    };
    let run = run_first(&state, &caller, &schedule, &once).await;
    Ok(once.ended(&state, run).await?.into_response())
}

async fn run_first(state: &ApiState, caller: &Caller, name: &str, once: &Once) -> Answer<Kept> {
    let env = &state.env;
    let mut tx = env.db.begin().await?;
    let Some(id) = schedules::run_now(&mut tx, env, &state.registry, name).await? else {
        drop(tx);
        if !schedules::all(&env.db)
            .await?
            .iter()
            .any(|row| row.name == name)
        {
            return Err(not_found(name));
        }
        let detail = format!("this version of memberd cannot run the job of schedule {name}");
        return Err(Problem::new(Code::InvalidRequest, detail).unprocessable());
    };
    let job = jobs::shown(&mut tx, state, caller, &id).await?;
    let kept = Kept::json(StatusCode::CREATED, &job)?;
    once.settle(&mut tx, &kept).await?;
    tx.commit().await?;
    Ok(kept)
}
