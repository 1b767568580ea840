//! `GET /v1/webhook-deliveries`

use axum::extract::State;
use memberd_jobs::webhooks_out::store::deliveries::{self, Filter};
use serde::Deserialize;
use utoipa::IntoParams;

use super::model::{DeliveryState, WebhookDelivery};
use crate::api::{
    Answer, ApiState, Caller, Cursor, Json, Limit, Page, Query,
    v1::webhook_endpoints::EventTypeWord,
};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filters {
    /// Deliveries to this endpoint.
    #[param(example = "whe_01JAAAAAAAAAAAAAAAAAAAAAAA")]
    endpoint_id: Option<String>,
    /// Deliveries in this state.
    #[param(inline)]
    state: Option<DeliveryState>,
    /// Deliveries of events of this type.
    #[param(inline)]
    #[serde(rename = "type")]
    kind: Option<EventTypeWord>,
    /// Rows of the page.
    #[param(inline)]
    #[serde(default)]
    limit: Limit,
    /// `next_cursor` of the page before.
    #[param(inline)]
    cursor: Option<Cursor>,
}

/// List webhook deliveries
///
/// What was sent to the organization's endpoints and what came of it, newest first. All filters must hold.
#[utoipa::path(get, path = "/v1/webhook-deliveries", tag = "webhooks", operation_id = "list_webhook_deliveries",
    params(Filters), responses((status = 200, description = "A page of deliveries.", body = Page<WebhookDelivery>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(filters): Query<Filters>,
) -> Answer<Json<Page<WebhookDelivery>>> {
    let list = caller.list("webhook-deliveries");
    let before = list.position(filters.cursor.as_ref())?;
    let filter = Filter {
        endpoint_id: filters.endpoint_id.as_deref(),
        state: filters.state.map(|word| word.0.as_str()),
        kind: filters.kind.and_then(|word| word.0.one()),
    };
    let rows = deliveries::list(
        &state.env.db,
        &caller.organization,
        &filter,
        before.as_deref(),
        filters.limit.fetch(),
    )
    .await?;
    Ok(Json(list.page(
        rows,
        filters.limit,
        |row| row.id.clone(),
        WebhookDelivery::from,
    )))
}
