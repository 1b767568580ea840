//! `POST /v1/plans/{id}/archive`

use axum::{extract::State, response::Response};
use memberd_jobs::operations::{CatalogOrder, Order};

use crate::api::{
    Answer, ApiState, Caller, DryRun, IdempotencyKey, Path, Query,
    v1::operations::{PlacedBody, place},
};

/// Archive a plan
///
/// Nobody can buy it any more; who pays it goes on.
#[utoipa::path(post, path = "/v1/plans/{id}/archive", tag = "plans", operation_id = "archive_plan",
    params(("id" = String, Path, description = "Stripe's price id.", example = "price_123"), DryRun,
        IdempotencyKey),
    responses((status = 202, description = "The operation.", body = PlacedBody)))]
pub(super) async fn archive(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    Query(dry_run): Query<DryRun>,
    key: IdempotencyKey,
) -> Answer<Response> {
    let order = CatalogOrder::ArchivePlan { id };
    place(&state, &caller, key, dry_run, &Order::Catalog(order)).await
}
