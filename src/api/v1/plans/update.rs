//! `PATCH /v1/plans/{id}`

use axum::{extract::State, response::Response};
use memberd_jobs::operations::{CatalogOrder, Order};
use serde::Deserialize;
use utoipa::ToSchema;

use super::fields::{Amount, Nickname};
use crate::api::{
    Answer, ApiState, Caller, DryRun, IdempotencyKey, Json, Path, Query,
    v1::operations::{PlacedBody, place},
};

/// What to change; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"amount": 3499}))]
pub(super) struct PlanEditBody {
    /// Minor units of one payment. Another amount is another price at Stripe: the answer's operations make it and then
    /// archive this one. Who pays this one goes on paying it.
    amount: Option<Amount>,
    /// Its name among the plans of its tier.
    nickname: Option<Nickname>,
}

/// Change a plan
///
/// Answers the operations that change it; none when it is so already.
#[utoipa::path(patch, path = "/v1/plans/{id}", tag = "plans", operation_id = "update_plan",
    request_body = PlanEditBody,
    params(("id" = String, Path, description = "Stripe's price id.", example = "price_123"), DryRun,
        IdempotencyKey),
    responses((status = 202, description = "The operations.", body = PlacedBody)))]
pub(super) async fn update(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    Query(dry_run): Query<DryRun>,
    key: IdempotencyKey,
    Json(body): Json<PlanEditBody>,
) -> Answer<Response> {
    let order = CatalogOrder::UpdatePlan {
        id,
        nickname: body.nickname.map(|text| text.0),
        amount: body.amount.map(|amount| amount.0),
    };
    place(&state, &caller, key, dry_run, &Order::Catalog(order)).await
}
