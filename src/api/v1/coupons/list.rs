//! `GET /v1/coupons`

use std::collections::BTreeMap;

use axum::extract::State;
use memberd_jobs::{
    kernel::Timestamp,
    sync::store::read::{self as mirror, CodeRow, Coupon as CouponRow},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::{Answer, ApiState, Caller, Cursor, Json, Limit, Page, Query, amount, place};

/// A coupon, and the codes that promise it.
#[derive(Serialize, ToSchema)]
pub(super) struct Coupon {
    /// Stripe's id.
    #[schema(example = "SPRING")]
    id: String,
    /// What people type: its newest code that can be used; null when it has none.
    #[schema(example = "5DOLLAROFF")]
    code: Option<String>,
    /// Its name.
    name: Option<String>,
    /// What it applies to: always `subscription`.
    #[serde(rename = "type")]
    #[schema(example = "subscription")]
    kind: &'static str,
    /// What it takes off, in hundredths of a percent.
    #[schema(example = 2_500)]
    percent_off_bps: Option<i64>,
    /// What it takes off, in minor units.
    #[schema(example = 500)]
    amount_off: Option<i64>,
    /// What it takes off, for people.
    #[schema(example = "$5.00")]
    formatted_off: Option<String>,
    /// Currency code of `amount_off`.
    #[schema(example = "usd")]
    currency: Option<String>,
    /// How long it holds: `forever`, `once` or `repeating`.
    #[schema(example = "forever")]
    duration: Option<String>,
    /// Months for which a repeating one holds.
    #[schema(example = 3)]
    duration_in_months: Option<i64>,
    /// How often it can be redeemed.
    max_redemptions: Option<i64>,
    /// How often it was redeemed.
    #[schema(minimum = 0, example = 2)]
    times_redeemed: i64,
    /// Until when it can be redeemed.
    #[schema(value_type = Option<String>, format = DateTime)]
    redeem_by: Option<Timestamp>,
    /// Whether it can be redeemed.
    valid: bool,
    /// Its codes: those in use first, at most 20.
    codes: Vec<PromotionCode>,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// A code that promises a coupon.
#[derive(Serialize, ToSchema)]
struct PromotionCode {
    /// Stripe's id.
    #[schema(example = "promo_123")]
    id: String,
    /// What people type.
    #[schema(example = "5DOLLAROFF")]
    code: String,
    /// Whether it can be used.
    active: bool,
    /// The only customer who may use it.
    #[schema(example = "cus_123")]
    customer_id: Option<String>,
    /// Until when it can be used.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// How often it can be used.
    max_redemptions: Option<i64>,
    /// How often it was used.
    #[schema(minimum = 0, example = 0)]
    times_redeemed: i64,
}

impl From<CodeRow> for PromotionCode {
    fn from(row: CodeRow) -> Self {
        Self {
            id: row.id,
            code: row.code,
            active: row.active,
            customer_id: row.customer_id,
            expires_at: row.expires_at,
            max_redemptions: row.max_redemptions,
            times_redeemed: row.times_redeemed,
        }
    }
}

/// `33.33 %`
fn percent(bps: i64) -> String {
    let (whole, rest) = (bps / 100, bps % 100);
    match (rest % 10, rest) {
        (_, 0) => format!("{whole} %"),
        (0, _) => format!("{whole}.{} %", rest / 10),
        _ => format!("{whole}.{rest:02} %"),
    }
}

impl Coupon {
    fn of(row: CouponRow, codes: Vec<PromotionCode>) -> Self {
        let off = row.amount_off.zip(row.currency.as_deref());
        let formatted = off.map(|(minor, code)| amount(minor, code));
        let usable = codes.iter().find(|code| code.active);
        Self {
            code: usable.map(|code| code.code.clone()),
            formatted_off: formatted.or_else(|| row.percent_off_bps.map(percent)),
            id: row.id,
            name: row.name,
            kind: "subscription",
            percent_off_bps: row.percent_off_bps,
            amount_off: row.amount_off,
            currency: row.currency,
            duration: row.duration,
            duration_in_months: row.duration_in_months,
            max_redemptions: row.max_redemptions,
            times_redeemed: row.times_redeemed,
            redeem_by: row.redeem_by,
            valid: row.valid,
            codes,
            created_at: row.created_at,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filters {
    /// The coupon that this code promises, as people type it.
    #[param(example = "5DOLLAROFF")]
    code: Option<String>,
    /// Coupons that can be redeemed, or that cannot.
    valid: Option<bool>,
    /// Rows of the page.
    #[param(inline)]
    #[serde(default)]
    limit: Limit,
    /// `next_cursor` of the page before.
    #[param(inline)]
    cursor: Option<Cursor>,
}

/// List coupons
///
/// The organization's coupons as Stripe has them, newest first, with the codes that promise them. All filters must hold.
#[utoipa::path(get, path = "/v1/coupons", tag = "coupons", operation_id = "list_coupons", params(Filters),
    responses((status = 200, description = "A page of coupons.", body = Page<Coupon>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(filters): Query<Filters>,
) -> Answer<Json<Page<Coupon>>> {
    let (db, organization) = (&state.env.db, &caller.organization);
    let list = caller.list("coupons");
    let before = list.place(filters.cursor.as_ref())?;
    let rows = mirror::coupons(
        db,
        organization,
        filters.code.as_deref(),
        filters.valid,
        before.as_ref().map(|(time, id)| (*time, id.as_str())),
        filters.limit.fetch(),
    )
    .await?;
    let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
    let mut codes: BTreeMap<String, Vec<PromotionCode>> = BTreeMap::new();
    for row in mirror::promotion_codes(db, organization, &ids).await? {
        let coupon = row.coupon_id.clone();
        codes.entry(coupon).or_default().push(row.into());
    }
    Ok(Json(list.page(
        rows,
        filters.limit,
        |row| place(row.created_at, &row.id),
        |row| {
            let codes = codes.remove(&row.id).unwrap_or_default();
            Coupon::of(row, codes)
        },
    )))
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn a_percentage_is_written_without_needless_digits() {
        for (bps, text) in [
            (2_500, "25 %"),
            (1_250, "12.5 %"),
            (3_333, "33.33 %"),
            (5, "0.05 %"),
        ] {
            assert_eq!(percent(bps), text);
        }
    }
}
