//! `DELETE /v1/webhook-endpoints/{id}`

use axum::{extract::State, http::StatusCode};
use memberd_jobs::webhooks_out::{self, Refused};

use super::refuse;
use crate::api::{Answer, ApiState, Caller, NoQuery, Path};

/// Delete a webhook endpoint
///
/// Nothing is sent to it any more, and its secrets are gone. Its deliveries stay in the list until they are old.
#[utoipa::path(delete, path = "/v1/webhook-endpoints/{id}", tag = "webhooks", operation_id = "delete_webhook_endpoint",
    params(("id" = String, Path, description = "Its id.", example = "whe_01JAAAAAAAAAAAAAAAAAAAAAAA")),
    responses((status = 204, description = "It is gone.")))]
pub(super) async fn delete(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
) -> Answer<StatusCode> {
    let mut tx = state.env.db.begin().await?;
    let was_there = webhooks_out::delete(&mut tx, &caller.organization, &id).await?;
    tx.commit().await?;
    if !was_there {
        return Err(refuse(&Refused::NoEndpoint(id)));
    }
    tracing::info!(
        endpoint = id,
        by = caller.key_id,
        "a webhook endpoint was deleted"
    );
    Ok(StatusCode::NO_CONTENT)
}
