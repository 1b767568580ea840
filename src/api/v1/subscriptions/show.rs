//! `GET /v1/subscriptions/{id}`

use std::slice;

use axum::extract::State;

use super::model::{Items, Subscription, found};
use crate::api::{Answer, ApiState, Caller, Json, NoQuery, Path};

/// Show a subscription
///
/// One subscription with its items, as Stripe has it.
#[utoipa::path(get, path = "/v1/subscriptions/{id}", tag = "subscriptions", operation_id = "show_subscription",
    params(("id" = String, Path, description = "Stripe's id.", example = "sub_123")),
    responses((status = 200, description = "The subscription.", body = Subscription)))]
pub(super) async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
) -> Answer<Json<Subscription>> {
    let row = found(&state, &caller, &id).await?;
    let mut items = Items::of(&state, &caller, slice::from_ref(&row)).await?;
    Ok(Json(items.show(row)))
}
