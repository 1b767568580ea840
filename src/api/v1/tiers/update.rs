//! `PATCH /v1/tiers/{id}`

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use memberd_jobs::{
    access::Scope,
    entitlements::store::{self as tiers, TierEdit},
    operations::{CatalogOrder, Order, TierPrices},
};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::{
    fields::{Benefits, Description, MemberLimit, Name},
    model::Tier,
};
use crate::api::{
    Answer, ApiState, Caller, Code, DryRun, IdempotencyKey, Json, Path, Problem, Query,
    v1::{
        operations::{PlacedBody, place},
        plans::{Amount, CurrencyCode},
    },
};

/// What to change; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"is_default": true, "benefits": ["Early access"]}))]
pub(super) struct TierEditBody {
    /// Its name; changed at Stripe.
    name: Option<Name>,
    /// Its description; changed at Stripe.
    description: Option<Description>,
    /// Currency of the prices; without it that of its present ones.
    currency: Option<CurrencyCode>,
    /// Minor units for a month; 0 archives the monthly price. Another amount is a new price at Stripe, and the old one
    /// is archived; who pays the old one goes on paying it.
    price_monthly: Option<Amount>,
    /// Minor units for a year, as `price_monthly`.
    price_yearly: Option<Amount>,
    /// Whether members who pay for no tier are in it. `true` takes it from the tier that was it.
    is_default: Option<bool>,
    /// What it offers.
    benefits: Option<Benefits>,
    /// Most members it may have; null: any number. Who is in it stays in it.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<MemberLimit>)]
    limit: Option<SaidLimit>,
    /// Whether it is shown to people.
    visible: Option<bool>,
}

/// A limit that was said, null included.
struct SaidLimit(Option<MemberLimit>);

fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SaidLimit>, D::Error> {
    Option::deserialize(deserializer).map(|limit| Some(SaidLimit(limit)))
}

impl TierEditBody {
    /// Whether anything of it changes at Stripe.
    const fn is_stripes(&self) -> bool {
        self.name.is_some()
            || self.description.is_some()
            || self.currency.is_some()
            || self.price_monthly.is_some()
            || self.price_yearly.is_some()
    }
}

/// Change a tier
///
/// Default, benefits, limit and visibility belong to memberd: once edited here, what Stripe says about them does not
/// count any more, and the answer is the tier. Name, description and prices are changed at Stripe: then the answer is
/// 202 with the operations, and the key needs the scope `subscriptions:write` too.
#[utoipa::path(patch, path = "/v1/tiers/{id}", tag = "tiers", operation_id = "update_tier",
    request_body = TierEditBody,
    params(("id" = String, Path, description = "Stripe's product id.", example = "prod_gold"), DryRun,
        IdempotencyKey),
    responses((status = 200, description = "The tier.", body = Tier),
        (status = 202, description = "The tier's id and the operations.", body = PlacedBody)))]
pub(super) async fn update(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    Query(dry_run): Query<DryRun>,
    key: IdempotencyKey,
    Json(body): Json<TierEditBody>,
) -> Answer<Response> {
    let is_stripes = body.is_stripes();
    let own = TierEdit {
        is_default: body.is_default,
        benefits: body.benefits.map(Benefits::into_texts),
        limit: body.limit.map(|said| said.0.map(|limit| limit.0)),
        visible: body.visible,
    };
    if !is_stripes {
        return Ok(edit(&state, &caller, &id, dry_run, &own)
            .await?
            .into_response());
    }
    if !caller.scopes.has(Scope::SubscriptionsWrite) {
        let scope = Scope::SubscriptionsWrite;
        let detail = format!(
            "name, description and prices are changed at Stripe, which needs a key with the scope {scope}"
        );
        return Err(Problem::new(Code::InsufficientScope, detail));
    }
    let order = CatalogOrder::UpdateTier {
        id,
        name: body.name.map(|text| text.0),
        description: body.description.map(|text| text.0),
        prices: TierPrices {
            currency: body.currency.map(|code| code.0),
            monthly: body.price_monthly.map(|amount| amount.0),
            yearly: body.price_yearly.map(|amount| amount.0),
        },
        own,
    };
    place(&state, &caller, key, dry_run, &Order::Catalog(order)).await
}

/// Changes what is ours.
async fn edit(
    state: &ApiState,
    caller: &Caller,
    id: &str,
    DryRun { dry_run }: DryRun,
    own: &TierEdit,
) -> Answer<Json<Tier>> {
    let (env, organization) = (&state.env, &caller.organization);
    let mut tx = env.db.begin().await?;
    tiers::edit_tier(&mut tx, organization, id, own, env.now()).await?;
    let row = tiers::tier_in(&mut tx, organization, id).await?;
    if !dry_run {
        tx.commit().await?;
    }
    let row = row.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no tier {id}")))?;
    Ok(Json(row.into()))
}
