//! `POST /v1/stripe-events/{id}/replay`

use axum::{extract::State, http::StatusCode, response::Response};
use memberd_jobs::sync;
use serde_json::json;

use crate::api::{
    Answer, ApiState, Begun, Caller, Code, IdempotencyKey, Kept, NoQuery, Once, Path, Problem,
    v1::jobs::{self, Job},
};

/// Replay a Stripe event
///
/// Fetches the event's object from Stripe again, whatever became of the event. A job does it; if one for the same
/// object already waits, that one is answered. Doing it twice does no harm.
#[utoipa::path(post, path = "/v1/stripe-events/{id}/replay", tag = "stripe-events",
    operation_id = "replay_stripe_event",
    params(("id" = String, Path, description = "Stripe's id of the event.", example = "evt_123"),
        IdempotencyKey),
    responses((status = 201, description = "The job.", body = Job)))]
pub(super) async fn replay(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
    key: IdempotencyKey,
) -> Answer<Response> {
    let asked = json!({ "replay_stripe_event": id });
    let once = match key.begin(&state, &caller, &asked).await? {
        Begun::First(once) => once,
        Begun::Replayed(response) => return Ok(response),
    };
    let replayed = fetch_again(&state, &caller, &id, &once).await;
    Ok(once.ended(&state, replayed).await?.into_response())
}

async fn fetch_again(state: &ApiState, caller: &Caller, id: &str, once: &Once) -> Answer<Kept> {
    let env = &state.env;
    let mut tx = env.db.begin().await?;
    let job = sync::replay(&mut tx, env, &caller.organization, id).await?;
    let job = job.ok_or_else(|| {
        let detail = format!("there is no event {id} about something that is mirrored");
        Problem::new(Code::NotFound, detail)
    })?;
    let job = jobs::shown(&mut tx, state, caller, &job).await?;
    let kept = Kept::json(StatusCode::CREATED, &job)?;
    once.settle(&mut tx, &kept).await?;
    tx.commit().await?;
    Ok(kept)
}
