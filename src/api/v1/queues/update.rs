//! `PATCH /v1/queues/{queue}`

use axum::extract::State;
use memberd_jobs::kernel::queue::admin;
use serde::Deserialize;
use utoipa::ToSchema;

use super::model::{QueueBody, found, parse};
use crate::api::{
    Answer, ApiState, Code, Json, NoQuery, Path, Problem, Whole,
    limits::{CONCURRENCY_MAX, RATE_MAX, RUNNING_MAX},
    words::Change,
};

/// Slots of a queue on one node.
type Concurrency = Whole<0, CONCURRENCY_MAX>;

/// Jobs of a queue running at once in the whole installation.
type MaxRunning = Whole<0, RUNNING_MAX>;

/// Jobs of a queue started per second in the whole installation.
type Rate = Whole<1, RATE_MAX>;

/// What to change; what is not given stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"concurrency": 4, "rate_per_second": null}), min_properties = 1)]
pub(super) struct QueueEdit {
    /// Slots of one node, or null to leave it to the configuration of each node. 0 starts nothing.
    #[serde(default)]
    #[schema(value_type = Option<Concurrency>)]
    concurrency: Change<Concurrency>,
    /// Jobs running at once in the whole installation, or null for no such limit. 0 starts nothing.
    #[serde(default)]
    #[schema(value_type = Option<MaxRunning>)]
    max_running: Change<MaxRunning>,
    /// Jobs started per second in the whole installation, or null for no such limit. A second's worth may start at once.
    #[serde(default)]
    #[schema(value_type = Option<Rate>)]
    rate_per_second: Change<Rate>,
}

/// Change a queue's limits
///
/// How many of its jobs one node runs at once, and how many the whole installation runs at once and starts per second. It
/// works on every node from its next look at the queue on; what runs goes on running.
#[utoipa::path(patch, path = "/v1/queues/{queue}", tag = "queues", operation_id = "update_queue",
    request_body = QueueEdit,
    params(("queue" = String, Path, description = "The queue's name.", example = "email")),
    responses((status = 200, description = "The queue.", body = QueueBody)))]
pub(super) async fn update(
    State(state): State<ApiState>,
    Path(queue): Path<String>,
    _: NoQuery,
    Json(edit): Json<QueueEdit>,
) -> Answer<Json<QueueBody>> {
    let queue = parse(&queue)?;
    let QueueEdit {
        concurrency,
        max_running,
        rate_per_second,
    } = edit;
    if matches!(
        (&concurrency, &max_running, &rate_per_second),
        (Change::Keep, Change::Keep, Change::Keep)
    ) {
        let detail = "give concurrency, max_running or rate_per_second";
        return Err(Problem::field(
            Code::InvalidRequest,
            "#/concurrency",
            detail,
        ));
    }
    let now = state.env.now();
    let mut tx = state.env.db.begin().await?;
    if let Change::To(slots) = concurrency {
        admin::set_concurrency(&mut tx, queue, slots.map(|slots| slots.0)).await?;
    }
    if let Change::To(most) = max_running {
        admin::set_max_running(&mut tx, queue, most.map(|most| most.0)).await?;
    }
    if let Change::To(rate) = rate_per_second {
        admin::set_rate(&mut tx, queue, rate.map(|rate| rate.0), now).await?;
    }
    tx.commit().await?;
    found(&state, queue).await.map(Json)
}
