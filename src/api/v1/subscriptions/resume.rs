//! `POST /v1/subscriptions/{id}/resume`

use axum::{extract::State, response::Response};
use memberd_jobs::operations::Order;

use crate::api::{
    Answer, ApiState, Caller, DryRun, IdempotencyKey, Path, Query,
    v1::operations::{Operation, place},
};

/// Resume a subscription
///
/// Undoes a pause; where there is none, a cancellation that has not happened yet. A subscription whose trial ended
/// without a payment method goes on, too. Answers the operation, which is stored and not yet sent.
#[utoipa::path(post, path = "/v1/subscriptions/{id}/resume", tag = "subscriptions",
    operation_id = "resume_subscription",
    params(("id" = String, Path, description = "Stripe's id.", example = "sub_123"), DryRun,
        IdempotencyKey),
    responses((status = 202, description = "The operation.", body = Operation)))]
pub(super) async fn resume(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    Query(dry_run): Query<DryRun>,
    key: IdempotencyKey,
) -> Answer<Response> {
    place(
        &state,
        &caller,
        key,
        dry_run,
        &Order::ResumeSubscription { id },
    )
    .await
}
