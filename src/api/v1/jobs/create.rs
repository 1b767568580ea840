//! `POST /v1/jobs`

use axum::{extract::State, response::Response};
use memberd_jobs::kernel::{
    Timestamp,
    outbox::{NewJob, PRIORITY_NORMAL},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{Job, enqueue};
use crate::api::{
    Answer, ApiState, Caller, Code, HOME_ORGANIZATION, IdempotencyKey, Json, NoQuery, Problem,
    Whole, decode::unknown, limits::PRIORITY_SPAN,
};

/// A priority; lower runs first.
type Priority = Whole<{ -PRIORITY_SPAN }, PRIORITY_SPAN>;

/// A job to enqueue.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"kind": "housekeeping.prune_jobs", "args": {}}))]
pub(super) struct NewJobBody {
    /// What it does; `GET /v1/jobs/kinds` lists the kinds.
    kind: String,
    /// Its arguments, as the kind wants them.
    #[serde(default)]
    #[schema(value_type = Object)]
    args: Map<String, Value>,
    /// Lower runs first; 0 is normal.
    priority: Option<Priority>,
    /// Not before this moment.
    #[schema(value_type = Option<String>, format = DateTime)]
    due_at: Option<Timestamp>,
}

/// Enqueue a job
///
/// The job exists when the answer arrives. Kinds that work for the whole installation need a key of the organization
/// `default`. Where the kind has a key and a job with the same key already waits, that
/// one is answered with status 200.
#[utoipa::path(post, path = "/v1/jobs", tag = "jobs", operation_id = "create_job", request_body = NewJobBody,
    params(IdempotencyKey),
    responses(
        (status = 201, description = "The new job.", body = Job),
        (status = 200, description = "The job with the same key that already waits.", body = Job)))]
pub(super) async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    _: NoQuery,
    key: IdempotencyKey,
    Json(body): Json<NewJobBody>,
) -> Answer<Response> {
    let def = state.registry.job(&body.kind).ok_or_else(|| {
        let kinds: Vec<_> = state.registry.jobs().map(|def| def.kind).collect();
        let detail = unknown(&body.kind, &kinds);
        Problem::field(Code::InvalidRequest, "#/kind", detail).unprocessable()
    })?;
    if def.installation && caller.organization != HOME_ORGANIZATION {
        let detail = format!(
            "{} works for the whole installation: it needs a key of the organization {HOME_ORGANIZATION}",
            def.kind
        );
        return Err(Problem::field(Code::InsufficientScope, "#/kind", detail));
    }
    let priority = body.priority.map(|priority| priority.0);
    let asked = json!({ "create_job": def.kind, "args": body.args, "priority": priority, "due_at": body.due_at });
    let mut job = NewJob::from_def(def, &caller.organization, &Value::Object(body.args))
        .map_err(|refused| {
            Problem::field(Code::InvalidRequest, "#/args", refused.to_string()).unprocessable()
        })?
        .priority(priority.unwrap_or(PRIORITY_NORMAL));
    if let Some(due_at) = body.due_at {
        job = job.due(due_at);
    }
    enqueue(&state, &caller, key, &asked, job).await
}
