//! `GET /v1/plans`

use axum::extract::State;
use memberd_jobs::{
    kernel::Timestamp,
    sync::store::read::{self as mirror, PlanRow},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::{Answer, ApiState, Caller, Cursor, Json, Limit, Page, Query, amount, place};

/// A plan: a price at which a product is sold.
#[derive(Serialize, ToSchema)]
pub(super) struct Plan {
    /// Stripe's id of the price.
    #[schema(example = "price_123")]
    id: String,
    /// What it is called: its nickname, else its product's name.
    #[schema(example = "Gold monthly")]
    name: String,
    /// The price's own name.
    #[schema(example = "Gold monthly")]
    nickname: Option<String>,
    /// The product's description.
    description: Option<String>,
    /// Stripe's product.
    #[schema(example = "prod_gold")]
    product_id: String,
    /// What it entitles to: its product.
    #[schema(example = json!(["prod_gold"]))]
    entitlements: Vec<String>,
    /// Minor units of one interval; null when Stripe computes it or whoever pays decides.
    #[schema(example = 999)]
    amount: Option<i64>,
    /// The same for people.
    #[schema(example = "$9.99")]
    formatted_amount: Option<String>,
    /// Currency code.
    #[schema(example = "usd")]
    currency: String,
    /// `day`, `week`, `month` or `year`; null: it is paid once.
    #[schema(example = "month")]
    interval: Option<String>,
    /// Intervals between two charges.
    #[schema(example = 1)]
    interval_count: Option<i64>,
    /// Whether it renews by itself.
    auto_renew: bool,
    /// Days of a trial that comes with it.
    #[schema(example = 14)]
    trial_period_days: Option<i64>,
    /// Whether whoever pays decides how much.
    is_donation: bool,
    /// Whether it can be bought.
    active: bool,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<PlanRow> for Plan {
    fn from(row: PlanRow) -> Self {
        let formatted = row.unit_amount.map(|minor| amount(minor, &row.currency));
        let name = row.nickname.clone().or(row.product_name);
        Self {
            name: name.unwrap_or_else(|| row.id.clone()),
            id: row.id,
            nickname: row.nickname,
            description: row.description,
            entitlements: vec![row.product_id.clone()],
            product_id: row.product_id,
            amount: row.unit_amount,
            formatted_amount: formatted,
            currency: row.currency,
            auto_renew: row.recurring_interval.is_some(),
            interval: row.recurring_interval,
            interval_count: row.recurring_interval_count,
            trial_period_days: row.trial_period_days,
            is_donation: row.custom_amount,
            active: row.active,
            created_at: row.created_at,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filters {
    /// Plans of this product.
    #[param(example = "prod_gold")]
    product_id: Option<String>,
    /// Plans that can be bought, or that cannot.
    active: Option<bool>,
    /// Rows of the page.
    #[param(inline)]
    #[serde(default)]
    limit: Limit,
    /// `next_cursor` of the page before.
    #[param(inline)]
    cursor: Option<Cursor>,
}

/// List plans
///
/// What the organization sells and has sold, newest first: Stripe's prices with their products. All filters must hold.
#[utoipa::path(get, path = "/v1/plans", tag = "plans", operation_id = "list_plans", params(Filters),
    responses((status = 200, description = "A page of plans.", body = Page<Plan>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(filters): Query<Filters>,
) -> Answer<Json<Page<Plan>>> {
    let list = caller.list("plans");
    let before = list.place(filters.cursor.as_ref())?;
    let rows = mirror::plans(
        &state.env.db,
        &caller.organization,
        filters.product_id.as_deref(),
        filters.active,
        before.as_ref().map(|(time, id)| (*time, id.as_str())),
        filters.limit.fetch(),
    )
    .await?;
    Ok(Json(list.page(
        rows,
        filters.limit,
        |row| place(row.created_at, &row.id),
        Plan::from,
    )))
}
