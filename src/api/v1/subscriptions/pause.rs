//! `POST /v1/subscriptions/{id}/pause`

use axum::{extract::State, response::Response};
use memberd_jobs::{
    kernel::Timestamp,
    operations::{Order, requests::PauseBehavior},
};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::{
    Answer, ApiState, Caller, Closed, DryRun, IdempotencyKey, MaybeJson, Path, Query, Word,
    v1::operations::{Operation, place},
};

/// What happens to invoices.
type BehaviorWord = Word<PauseBehavior>;

/// How to pause.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"behavior": "void", "resumes_at": "2027-01-15T10:30:00Z"}))]
pub(super) struct PauseBody {
    /// What happens to its invoices meanwhile; without a word they are void.
    behavior: Option<BehaviorWord>,
    /// When it goes on by itself; without it somebody has to resume it.
    #[schema(value_type = Option<String>, format = DateTime)]
    resumes_at: Option<Timestamp>,
}

impl Closed for PauseBehavior {
    const NAME: &'static str = "PauseBehavior";
    const ABOUT: &'static str = "What happens to the invoices of a paused subscription. `void`: she owes nothing. \
        `keep_as_draft`: they are collected later. `mark_uncollectible`: they are given up.";
    const ALL: &'static [Self] = &Self::ALL;

    fn word(self) -> &'static str {
        self.as_str()
    }
}

/// Pause a subscription
///
/// Stripe makes no money of it until it is resumed; its status stays. Answers the operation, which is stored and not
/// yet sent. The body may be left out.
#[utoipa::path(post, path = "/v1/subscriptions/{id}/pause", tag = "subscriptions",
    operation_id = "pause_subscription", request_body = Option<PauseBody>,
    params(("id" = String, Path, description = "Stripe's id.", example = "sub_123"), DryRun,
        IdempotencyKey),
    responses((status = 202, description = "The operation.", body = Operation)))]
pub(super) async fn pause(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    Query(dry_run): Query<DryRun>,
    key: IdempotencyKey,
    MaybeJson(body): MaybeJson<PauseBody>,
) -> Answer<Response> {
    let order = Order::PauseSubscription {
        id,
        behavior: body.behavior.map_or(PauseBehavior::Void, |word| word.0),
        resumes_at: body.resumes_at,
    };
    place(&state, &caller, key, dry_run, &order).await
}
