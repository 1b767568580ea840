//! `POST /v1/stripe-events/{id}/replay`

use axum::{extract::State, http::StatusCode};
use memberd_jobs::sync;

use crate::api::{
    Answer, ApiState, Caller, Code, Json, NoQuery, Path, Problem,
    v1::jobs::{self, Job},
};

/// Replay a Stripe event
///
/// Fetches the event's object from Stripe again, whatever became of the event. A job does it; if one for the same
/// object already waits, that one is answered. Doing it twice does no harm.
#[utoipa::path(post, path = "/v1/stripe-events/{id}/replay", tag = "stripe-events",
    operation_id = "replay_stripe_event",
    params(("id" = String, Path, description = "Stripe's id of the event.", example = "evt_123")),
    responses((status = 201, description = "The job.", body = Job)))]
pub(super) async fn replay(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
) -> Answer<(StatusCode, Json<Job>)> {
    let job = sync::replay(&state.env, &caller.organization, &id).await?;
    let job = job.ok_or_else(|| {
        let detail = format!("there is no event {id} about something that is mirrored");
        Problem::new(Code::NotFound, detail)
    })?;
    let job = jobs::found(&state, &caller, &job).await?;
    Ok((StatusCode::CREATED, Json(job)))
}
