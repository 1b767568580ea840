//! `GET /v1/nodes`

use axum::extract::State;
use memberd_jobs::kernel::{
    Timestamp,
    queue::admin::{self, NodeRow},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{Answer, ApiState, Json, NoQuery, Page};

/// A process that runs jobs or serves requests.
#[derive(Serialize, ToSchema)]
pub(super) struct NodeBody {
    /// Its id, new for each process.
    id: String,
    /// Its name.
    #[schema(example = "web-1")]
    name: String,
    /// Its roles.
    #[schema(example = json!(["api", "worker"]))]
    roles: Vec<String>,
    /// Version of memberd.
    #[schema(example = "0.1.0")]
    version: String,
    /// Jobs it runs.
    #[schema(minimum = 0)]
    running: i64,
    /// When it started.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When it last showed that it lives.
    #[schema(value_type = String, format = DateTime)]
    beat_at: Timestamp,
    /// How long ago that was, in seconds.
    #[schema(minimum = 0)]
    beat_age_seconds: f64,
    /// When it stopped in order.
    #[schema(value_type = Option<String>, format = DateTime)]
    stopped_at: Option<Timestamp>,
}

impl NodeBody {
    fn of(row: NodeRow, now: Timestamp) -> Self {
        let words = row.roles.split(',').filter(|role| !role.is_empty());
        Self {
            roles: words.map(str::to_owned).collect(),
            id: row.id,
            name: row.name,
            version: row.version,
            running: row.running,
            started_at: row.started_at,
            beat_at: row.beat_at,
            beat_age_seconds: now.since(row.beat_at).as_secs_f64(),
            stopped_at: row.stopped_at,
        }
    }
}

/// List nodes
///
/// The processes seen in the last day, newest first. One that neither beats nor stopped in order has died; its jobs
/// run elsewhere once their leases have expired. The list is always one page.
#[utoipa::path(get, path = "/v1/nodes", tag = "nodes", operation_id = "list_nodes",
    responses((status = 200, description = "The nodes.", body = Page<NodeBody>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    _: NoQuery,
) -> Answer<Json<Page<NodeBody>>> {
    let rows = admin::nodes(&state.env.db).await?;
    let now = state.env.now();
    let nodes = rows.into_iter().map(|row| NodeBody::of(row, now));
    Ok(Json(Page::whole(nodes.collect())))
}
