//! `GET /v1/webhook-endpoints/{id}`

use axum::extract::State;
use memberd_jobs::webhooks_out::{Refused, store::endpoints};

use super::{model::WebhookEndpoint, refuse};
use crate::api::{Answer, ApiState, Caller, Json, NoQuery, Path};

/// Show a webhook endpoint
///
/// Where it is, what it wants, and how it is doing. Its secrets cannot be had again.
#[utoipa::path(get, path = "/v1/webhook-endpoints/{id}", tag = "webhooks", operation_id = "show_webhook_endpoint",
    params(("id" = String, Path, description = "Its id.", example = "whe_01JAAAAAAAAAAAAAAAAAAAAAAA")),
    responses((status = 200, description = "The endpoint.", body = WebhookEndpoint)))]
pub(super) async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
) -> Answer<Json<WebhookEndpoint>> {
    let row = endpoints::get(&state.env.db, &caller.organization, &id).await?;
    let row = row.ok_or_else(|| refuse(&Refused::NoEndpoint(id)))?;
    Ok(Json(row.into()))
}
