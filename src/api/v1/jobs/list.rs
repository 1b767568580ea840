//! `GET /v1/jobs`

use axum::extract::State;
use memberd_jobs::kernel::{
    Timestamp,
    queue::admin::{self, Filter},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Job;
use crate::api::{
    Answer, ApiState, Caller, Cursor, Json, Limit, Page, Query, QueueWord, StateWord,
};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filters {
    /// Jobs in this state.
    #[param(inline)]
    state: Option<StateWord>,
    /// Jobs of this kind.
    #[param(example = "housekeeping.prune_jobs")]
    kind: Option<String>,
    /// Jobs in this queue.
    #[param(inline)]
    queue: Option<QueueWord>,
    /// Jobs about this member.
    #[param(example = "mem_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    member_id: Option<String>,
    /// Jobs fired by this schedule.
    #[param(example = "housekeeping.prune_jobs")]
    schedule: Option<String>,
    /// Jobs enqueued after this moment.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-01-15T10:30:00Z")]
    created_after: Option<Timestamp>,
    /// Rows of the page.
    #[param(inline)]
    #[serde(default)]
    limit: Limit,
    /// `next_cursor` of the page before.
    #[param(inline)]
    cursor: Option<Cursor>,
}

/// List jobs
///
/// Waiting, running and finished jobs as one list, newest first. Finished jobs are kept for the retention.
///
/// A page looks at a bounded number of jobs (10,000 waiting or running and 10,000 finished ones), so that it takes no longer
/// however many there are. Where few of them pass the filter, a page may hold fewer jobs than `limit`, or none, and have
/// a `next_cursor` all the same: only a page without one is the last. The filters `member_id` and `schedule` and the
/// states `running`, `cancelled` and `discarded` are looked up directly, so that their jobs are found in the first pages.
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", operation_id = "list_jobs", params(Filters),
    responses((status = 200, description = "A page of jobs.", body = Page<Job>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(filters): Query<Filters>,
) -> Answer<Json<Page<Job>>> {
    let list = caller.list("jobs");
    let before = list.position(filters.cursor.as_ref())?;
    let filter = Filter {
        state: filters.state.map(|word| word.0),
        kind: filters.kind.as_deref(),
        queue: filters.queue.map(|word| word.0),
        member_id: filters.member_id.as_deref(),
        schedule: filters.schedule.as_deref(),
        created_after: filters.created_after,
    };
    let env = &state.env;
    let listed = admin::list(
        &env.db,
        &caller.organization,
        &filter,
        before.as_deref(),
        filters.limit.rows(),
        env.now(),
    )
    .await?;
    Ok(Json(list.page_before(
        listed.jobs,
        listed.before.as_deref(),
        Job::from,
    )))
}
