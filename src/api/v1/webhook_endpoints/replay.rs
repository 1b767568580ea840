//! `POST /v1/webhook-endpoints/{id}/replay`

use axum::{extract::State, http::StatusCode, response::Response};
use memberd_jobs::{
    kernel::{
        Timestamp,
        outbox::{self, NewJob, PRIORITY_LOW},
    },
    webhooks_out::{self, ReplayEvents},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{refuse, types::EventTypes};
use crate::api::{
    Answer, ApiState, Begun, Caller, Code, IdempotencyKey, Json, Kept, NoQuery, Once, Path, Problem,
};

/// What to send again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"since": "2026-01-15T10:30:00Z", "undelivered_only": true}))]
pub(super) struct ReplayBody {
    /// From when on.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// Until when; now unless given.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// Only these types; empty or left out: all that the endpoint wants.
    #[serde(default)]
    event_types: EventTypes,
    /// Whether what was delivered is left out.
    #[serde(default)]
    undelivered_only: bool,
}

/// A replay that will happen.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookReplay {
    /// The job that begins it.
    #[schema(example = "job_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    job_id: String,
    /// From when on.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// Until when.
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
}

/// Replay events
///
/// Sends again what happened in a time and the endpoint wants, with the ids that it had, also what happened before the
/// endpoint was made. Events are kept as long as `retention.events` says.
#[utoipa::path(post, path = "/v1/webhook-endpoints/{id}/replay", tag = "webhooks",
    operation_id = "replay_webhook_events", request_body = ReplayBody,
    params(("id" = String, Path, description = "Its id.", example = "whe_01JAAAAAAAAAAAAAAAAAAAAAAA"),
        IdempotencyKey),
    responses((status = 202, description = "The job that does it.", body = WebhookReplay)))]
pub(super) async fn replay(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
    key: IdempotencyKey,
    Json(body): Json<ReplayBody>,
) -> Answer<Response> {
    let types = body.event_types.some().unwrap_or_default();
    let asked = json!({ "replay_webhook_events": id, "since": body.since, "until": body.until,
        "event_types": types, "undelivered_only": body.undelivered_only });
    let job = ReplayEvents {
        endpoint_id: id,
        since: body.since,
        until: body.until.unwrap_or_else(|| state.env.now()),
        types: types.into_iter().map(str::to_owned).collect(),
        undelivered_only: body.undelivered_only,
        after: None,
    };
    if job.since >= job.until {
        let detail = "this moment is not before the end of the time: name an earlier one";
        return Err(Problem::field(Code::InvalidRequest, "#/since", detail).unprocessable());
    }
    let once = match key.begin(&state, &caller, &asked).await? {
        Begun::First(once) => once,
        Begun::Replayed(response) => return Ok(response),
    };
    let begun = begin(&state, &caller, &job, &once).await;
    Ok(once.ended(&state, begun).await?.into_response())
}

async fn begin(state: &ApiState, caller: &Caller, job: &ReplayEvents, once: &Once) -> Answer<Kept> {
    let (env, organization) = (&state.env, &caller.organization);
    let mut tx = env.db.begin().await?;
    let endpoint = webhooks_out::enabled(&mut tx, organization, &job.endpoint_id).await?;
    endpoint.map_err(|why| refuse(&why))?;
    let new = NewJob::of(organization, job)?.priority(PRIORITY_LOW);
    let enqueued = outbox::enqueue(&mut tx, env, new).await?;
    let shown = WebhookReplay {
        job_id: enqueued.id,
        since: job.since,
        until: job.until,
    };
    let kept = Kept::json(StatusCode::ACCEPTED, &shown)?;
    once.settle(&mut tx, &kept).await?;
    tx.commit().await?;
    tracing::info!(
        endpoint = job.endpoint_id,
        by = caller.key_id,
        "a replay of webhooks was asked for"
    );
    Ok(kept)
}
