//! `GET /v1/webhook-deliveries/{id}`

use axum::extract::State;
use memberd_jobs::webhooks_out::{Refused, store::deliveries};

use super::WebhookDelivery;
use crate::api::{Answer, ApiState, Caller, Json, NoQuery, Path, v1::webhook_endpoints::refuse};

/// Show a webhook delivery
///
/// Where it is, and what its last attempt came to.
#[utoipa::path(get, path = "/v1/webhook-deliveries/{id}", tag = "webhooks", operation_id = "show_webhook_delivery",
    params(("id" = String, Path, description = "Its id.", example = "whd_01JAAAAAAAAAAAAAAAAAAAAAAA")),
    responses((status = 200, description = "The delivery.", body = WebhookDelivery)))]
pub(super) async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
) -> Answer<Json<WebhookDelivery>> {
    let row = deliveries::get(&state.env.db, &caller.organization, &id).await?;
    let row = row.ok_or_else(|| refuse(&Refused::NoDelivery(id)))?;
    Ok(Json(row.into()))
}
