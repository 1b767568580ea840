//! `GET /v1/members/{id}/timeline`

use axum::extract::State;
use memberd_jobs::{
    engagement::{
        analytics::period,
        timeline::{self, Happened},
    },
    kernel::Timestamp,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::model::found;
use crate::api::{Answer, ApiState, Caller, Json, Page, Paging, Path, Query, place};

/// An interaction of a member.
#[derive(Serialize, ToSchema)]
pub(super) struct TimelineEntry {
    /// Its kind.
    #[serde(rename = "type")]
    #[schema(example = "persona_chat")]
    kind: String,
    /// When it happened.
    #[schema(value_type = String, format = DateTime, example = "2026-01-24T18:00:00Z")]
    occurred_at: Timestamp,
    /// The day on which it counts, in the time zone of her creator.
    #[schema(value_type = String, format = Date, example = "2026-01-24")]
    day: String,
    /// Seconds that it lasted; 0 where nobody told.
    #[schema(minimum = 0, example = 720)]
    duration_seconds: i64,
    /// Who told of it.
    #[schema(example = "app")]
    source: String,
    /// Its id there.
    #[schema(example = "evt_123")]
    external_id: String,
    /// What else was told.
    #[schema(value_type = Object, example = json!({"content_id": "content_001"}))]
    details: Value,
}

impl From<Happened> for TimelineEntry {
    fn from(row: Happened) -> Self {
        let details = row.details.as_deref().unwrap_or("{}");
        Self {
            details: serde_json::from_str(details).unwrap_or_default(),
            kind: row.kind,
            occurred_at: row.occurred_at,
            day: period::date(row.day).to_string(),
            duration_seconds: row.seconds,
            source: row.source,
            external_id: row.external_id,
        }
    }
}

/// List what a member did
///
/// Her interactions as they were told, newest first; those that were taken back are left out.
#[utoipa::path(get, path = "/v1/members/{id}/timeline", tag = "engagement", operation_id = "member_timeline",
    params(("id" = String, Path, description = "Her id, or `ext:<provider>:<id>`.", example = "ext:stripe:cus_123"), Paging),
    responses((status = 200, description = "A page of interactions.", body = Page<TimelineEntry>)))]
pub(super) async fn timeline(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    Query(paging): Query<Paging>,
) -> Answer<Json<Page<TimelineEntry>>> {
    let list = caller.list("timeline");
    let before = list.place(paging.cursor.as_ref())?;
    let member = found(&state, &caller, &id).await?;
    let rows = timeline::newest(
        &state.env.db,
        &caller.organization,
        &member.id,
        before.and_then(|(time, number)| Some((time, number.parse().ok()?))),
        paging.limit.fetch(),
    )
    .await?;
    Ok(Json(list.page(
        rows,
        paging.limit,
        |row| place(row.occurred_at, &row.interaction_no.to_string()),
        TimelineEntry::from,
    )))
}
