//! `POST /v1/tiers`

use axum::{extract::State, response::Response};
use memberd_jobs::{
    entitlements::store::TierEdit,
    operations::{CatalogOrder, Order, TierPrices},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::fields::{Benefits, Description, MemberLimit, Name};
use crate::api::{
    Answer, ApiState, Caller, DryRun, IdempotencyKey, Json, Query,
    v1::{
        operations::{PlacedBody, place},
        plans::{Amount, CurrencyCode},
    },
};

/// A tier to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "VIP", "description": "Exclusive access", "currency": "usd",
    "price_monthly": 2499, "price_yearly": 24999, "benefits": ["1-on-1 monthly call"], "limit": 100, "visible": true}))]
pub(super) struct NewTierBody {
    /// Its name.
    name: Name,
    /// Its description.
    description: Option<Description>,
    /// Currency of its prices; needed where there is a price.
    currency: Option<CurrencyCode>,
    /// Minor units for a month; 0 or left out: it cannot be bought by the month.
    price_monthly: Option<Amount>,
    /// Minor units for a year; 0 or left out: it cannot be bought by the year.
    price_yearly: Option<Amount>,
    /// What it offers.
    benefits: Option<Benefits>,
    /// Most members it may have; null or left out: any number.
    limit: Option<MemberLimit>,
    /// Whether it is shown to people; `true` unless said otherwise.
    visible: Option<bool>,
    /// Whether members who pay for no tier are in it. `true` takes it from the tier that was it.
    is_default: Option<bool>,
}

/// Make a tier
///
/// A product and its prices at Stripe, and what is ours here. Answers the tier's id and the operations that make it, one
/// after the other; until the first has succeeded the tier is not on sale.
#[utoipa::path(post, path = "/v1/tiers", tag = "tiers", operation_id = "create_tier", request_body = NewTierBody,
    params(DryRun,
        IdempotencyKey),
    responses((status = 202, description = "The tier's id and the operations.", body = PlacedBody)))]
pub(super) async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    Query(dry_run): Query<DryRun>,
    key: IdempotencyKey,
    Json(body): Json<NewTierBody>,
) -> Answer<Response> {
    let order = CatalogOrder::CreateTier {
        name: body.name.0,
        description: body.description.map(|text| text.0),
        prices: TierPrices {
            currency: body.currency.map(|code| code.0),
            monthly: body.price_monthly.map(|amount| amount.0),
            yearly: body.price_yearly.map(|amount| amount.0),
        },
        own: TierEdit {
            is_default: body.is_default,
            benefits: body.benefits.map(Benefits::into_texts),
            limit: body.limit.map(|limit| Some(limit.0)),
            visible: body.visible,
        },
    };
    place(&state, &caller, key, dry_run, &Order::Catalog(order)).await
}
