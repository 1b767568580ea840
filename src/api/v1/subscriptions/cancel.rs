//! `POST /v1/subscriptions/{id}/cancel`

use axum::{extract::State, response::Response};
use memberd_jobs::operations::Order;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::{
    Answer, ApiState, Caller, Closed, DryRun, IdempotencyKey, MaybeJson, Path, Query, Text, Word,
    limits::COMMENT_CHARS_MAX,
    v1::operations::{Operation, place},
};

/// A member's own words.
type Comment = Text<COMMENT_CHARS_MAX>;

/// Why, in a word.
type FeedbackWord = Word<Feedback>;

/// How to cancel.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"at_period_end": true, "comment": "moving abroad", "feedback": "other"}))]
pub(super) struct CancelBody {
    /// `true`, which is the default: she keeps what she has paid for. `false`: it ends now.
    at_period_end: Option<bool>,
    /// Why, in her words; Stripe keeps it with the subscription.
    comment: Option<Comment>,
    /// Why, in a word.
    feedback: Option<FeedbackWord>,
}

/// Stripe's words for why a subscription is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Feedback(&'static str);

impl Closed for Feedback {
    const NAME: &'static str = "CancellationFeedback";
    const ABOUT: &'static str = "Why a subscription is cancelled, in Stripe's words.";
    const ALL: &'static [Self] = &[
        Self("customer_service"),
        Self("low_quality"),
        Self("missing_features"),
        Self("other"),
        Self("switched_service"),
        Self("too_complex"),
        Self("too_expensive"),
        Self("unused"),
    ];

    fn word(self) -> &'static str {
        self.0
    }
}

/// Cancel a subscription
///
/// Answers the operation, which is stored and not yet sent; `GET /v1/operations/{id}` shows what becomes of it. The
/// body may be left out.
#[utoipa::path(post, path = "/v1/subscriptions/{id}/cancel", tag = "subscriptions",
    operation_id = "cancel_subscription", request_body = Option<CancelBody>,
    params(("id" = String, Path, description = "Stripe's id.", example = "sub_123"), DryRun,
        IdempotencyKey),
    responses((status = 202, description = "The operation.", body = Operation)))]
pub(super) async fn cancel(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    Query(dry_run): Query<DryRun>,
    key: IdempotencyKey,
    MaybeJson(body): MaybeJson<CancelBody>,
) -> Answer<Response> {
    let order = Order::CancelSubscription {
        id,
        at_period_end: body.at_period_end.unwrap_or(true),
        comment: body.comment.map(|text| text.0),
        feedback: body.feedback.map(|word| word.0.0),
    };
    place(&state, &caller, key, dry_run, &order).await
}
