//! `POST /v1/tiers/{id}/archive`

use axum::{extract::State, response::Response};
use memberd_jobs::operations::{CatalogOrder, Order};

use crate::api::{
    Answer, ApiState, Caller, DryRun, IdempotencyKey, Path, Query,
    v1::operations::{PlacedBody, place},
};

/// Archive a tier
///
/// Its product cannot be bought any more; members who have it keep it. `PATCH` with `active` does not exist: make it
/// active again at Stripe.
#[utoipa::path(post, path = "/v1/tiers/{id}/archive", tag = "tiers", operation_id = "archive_tier",
    params(("id" = String, Path, description = "Stripe's product id.", example = "prod_gold"), DryRun,
        IdempotencyKey),
    responses((status = 202, description = "The tier's id and the operation.", body = PlacedBody)))]
pub(super) async fn archive(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    Query(dry_run): Query<DryRun>,
    key: IdempotencyKey,
) -> Answer<Response> {
    let order = CatalogOrder::ArchiveTier { id };
    place(&state, &caller, key, dry_run, &Order::Catalog(order)).await
}
