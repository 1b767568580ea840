//! `POST /v1/plans`

use axum::{extract::State, response::Response};
use memberd_jobs::operations::{CatalogOrder, NewPlan, Order};
use serde::Deserialize;
use utoipa::ToSchema;

use super::fields::{Amount, CurrencyCode, IntervalWord, Intervals, Nickname};
use crate::api::{
    Answer, ApiState, Caller, DryRun, IdempotencyKey, Json, Query,
    v1::operations::{PlacedBody, place},
};

/// A plan to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"tier_id": "prod_gold", "currency": "usd", "amount": 2999, "interval": "month",
    "interval_count": 3, "nickname": "Quarterly"}))]
pub(super) struct NewPlanBody {
    /// The tier that it sells: Stripe's product.
    tier_id: String,
    /// Its currency.
    currency: CurrencyCode,
    /// Minor units of one payment.
    amount: Amount,
    /// How often it is paid.
    interval: IntervalWord,
    /// Every so many intervals; 1 unless said otherwise.
    interval_count: Option<Intervals>,
    /// Its name among the plans of its tier.
    nickname: Option<Nickname>,
}

/// Make a plan
///
/// A price at Stripe. Answers the operation that makes it; the plan's id is known once it has succeeded.
#[utoipa::path(post, path = "/v1/plans", tag = "plans", operation_id = "create_plan", request_body = NewPlanBody,
    params(DryRun,
        IdempotencyKey),
    responses((status = 202, description = "The operation.", body = PlacedBody)))]
pub(super) async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    Query(dry_run): Query<DryRun>,
    key: IdempotencyKey,
    Json(body): Json<NewPlanBody>,
) -> Answer<Response> {
    let order = CatalogOrder::CreatePlan(NewPlan {
        tier_id: body.tier_id,
        currency: body.currency.0,
        amount: body.amount.0,
        interval: body.interval.0.as_str(),
        interval_count: body.interval_count.map_or(1, |count| count.0),
        nickname: body.nickname.map(|text| text.0),
    });
    place(&state, &caller, key, dry_run, &Order::Catalog(order)).await
}
