//! `GET /v1/webhook-endpoints`

use axum::extract::State;
use memberd_jobs::webhooks_out::store::endpoints;

use super::model::WebhookEndpoint;
use crate::api::{Answer, ApiState, Caller, Json, Page, Paging, Query};

/// List webhook endpoints
///
/// The organization's endpoints, newest first, without their secrets.
#[utoipa::path(get, path = "/v1/webhook-endpoints", tag = "webhooks", operation_id = "list_webhook_endpoints",
    params(Paging), responses((status = 200, description = "A page of endpoints.", body = Page<WebhookEndpoint>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Answer<Json<Page<WebhookEndpoint>>> {
    let list = caller.list("webhook-endpoints");
    let before = list.position(paging.cursor.as_ref())?;
    let (db, limit) = (&state.env.db, paging.limit.fetch());
    let rows = endpoints::list(db, &caller.organization, before.as_deref(), limit).await?;
    Ok(Json(list.page(
        rows,
        paging.limit,
        |row| row.id.clone(),
        WebhookEndpoint::from,
    )))
}
