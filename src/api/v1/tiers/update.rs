//! `PATCH /v1/tiers/{id}`

use axum::extract::State;
use memberd_jobs::entitlements::store::{self as tiers, TierEdit};
use serde::{Deserialize, Deserializer, de::Error as _};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, RefOr, schema::Schema},
};

use super::model::Tier;
use crate::api::{
    Answer, ApiState, Caller, Code, Json, NoQuery, Path, Problem, Text,
    limits::{BENEFIT_CHARS_MAX, BENEFITS_MAX},
};

/// One thing a tier offers.
type Benefit = Text<BENEFIT_CHARS_MAX>;

/// What to change; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"is_default": true, "benefits": ["Early access"]}))]
pub(super) struct TierEditBody {
    /// Whether members who pay for no tier are in it. `true` takes it from the tier that was it.
    is_default: Option<bool>,
    /// What it offers.
    benefits: Option<Benefits>,
}

struct Benefits(Vec<Benefit>);

impl<'de> Deserialize<'de> for Benefits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let benefits = Vec::deserialize(deserializer)?;
        if benefits.len() > BENEFITS_MAX {
            return Err(D::Error::custom(format!(
                "at most {BENEFITS_MAX} benefits are allowed"
            )));
        }
        Ok(Self(benefits))
    }
}

impl PartialSchema for Benefits {
    fn schema() -> RefOr<Schema> {
        ArrayBuilder::new()
            .items(Benefit::schema())
            .max_items(Some(BENEFITS_MAX))
            .into()
    }
}

impl ToSchema for Benefits {}

/// Change a tier
///
/// Default and benefits belong to memberd: once edited here, what Stripe says about them does not count any more.
/// Name, description and price are changed at Stripe.
#[utoipa::path(patch, path = "/v1/tiers/{id}", tag = "tiers", operation_id = "update_tier",
    request_body = TierEditBody,
    params(("id" = String, Path, description = "Stripe's product id.", example = "prod_gold")),
    responses((status = 200, description = "The tier.", body = Tier)))]
pub(super) async fn update(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
    Json(body): Json<TierEditBody>,
) -> Answer<Json<Tier>> {
    let (env, organization) = (&state.env, &caller.organization);
    let edit = TierEdit {
        is_default: body.is_default,
        benefits: body
            .benefits
            .map(|benefits| benefits.0.into_iter().map(|benefit| benefit.0).collect()),
    };
    let mut tx = env.db.begin().await?;
    tiers::edit_tier(&mut tx, organization, &id, &edit, env.now()).await?;
    tx.commit().await?;
    let row = tiers::tier(&env.db, organization, &id).await?;
    let row = row.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no tier {id}")))?;
    Ok(Json(row.into()))
}
