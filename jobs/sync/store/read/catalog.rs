//! What people read of what is sold: plans, and the coupons that make it cheaper.

use super::Before;
use crate::{
    args,
    kernel::{
        Timestamp,
        db::{Db, Result, Sql},
    },
    sync::model::Coupon,
};

/// A plan as people see it: a price with its product.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct PlanRow {
    /// `price_…`, or what a plan of the time before prices was called.
    pub id: String,
    /// `prod_…`
    pub product_id: String,
    /// The product's name; `None` while the product has not been mirrored.
    pub product_name: Option<String>,
    /// The product's description.
    pub description: Option<String>,
    /// The price's own name.
    pub nickname: Option<String>,
    /// Currency code.
    pub currency: String,
    /// Minor units for one interval; `None` when Stripe computes it or the payer decides.
    pub unit_amount: Option<i64>,
    /// `day`, `week`, `month` or `year`; `None` for a one-time price.
    pub recurring_interval: Option<String>,
    /// Intervals between two charges.
    pub recurring_interval_count: Option<i64>,
    /// Days of a trial that comes with it.
    pub trial_period_days: Option<i64>,
    /// Whether the payer decides how much.
    pub custom_amount: bool,
    /// Whether it can be bought.
    pub active: bool,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A promotion code as people see it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct CodeRow {
    /// Its coupon.
    pub coupon_id: String,
    /// `promo_…`
    pub id: String,
    /// What people type.
    pub code: String,
    /// Whether it can be used.
    pub active: bool,
    /// The only customer who may use it.
    pub customer_id: Option<String>,
    /// Until when it can be used.
    pub expires_at: Option<Timestamp>,
    /// How often it can be used.
    pub max_redemptions: Option<i64>,
    /// How often it was used.
    pub times_redeemed: i64,
}

const PLANS: Sql = Sql::both(
    "SELECT p.id, p.product_id, d.name AS product_name, d.description, p.nickname, p.currency, p.unit_amount,
        p.recurring_interval, p.recurring_interval_count, p.trial_period_days, p.custom_amount, p.active, p.created_at
     FROM prices AS p
     LEFT JOIN products AS d ON d.organization_id = p.organization_id AND d.id = p.product_id
     WHERE p.organization_id = $1 AND NOT p.deleted
       AND (CAST($2 AS TEXT) IS NULL OR p.product_id = $2)
       AND (CAST($3 AS BIGINT) IS NULL OR CASE WHEN p.active THEN 1 ELSE 0 END = $3)
       AND (CAST($4 AS BIGINT) IS NULL OR (p.created_at, p.id) < ($4, $5))
     ORDER BY p.created_at DESC, p.id DESC LIMIT $6",
);
const COUPONS: Sql = Sql::both(
    "SELECT id, name, percent_off_bps, amount_off, currency, duration, duration_in_months, max_redemptions,
        times_redeemed, redeem_by, valid, created_at
     FROM coupons
     WHERE organization_id = $1 AND NOT deleted
       AND (CAST($2 AS TEXT) IS NULL OR id IN (SELECT coupon_id FROM promotion_codes
                                               WHERE organization_id = $1 AND code = $2 AND NOT deleted))
       AND (CAST($3 AS BIGINT) IS NULL OR CASE WHEN valid THEN 1 ELSE 0 END = $3)
       AND (CAST($4 AS BIGINT) IS NULL OR (created_at, id) < ($4, $5))
     ORDER BY created_at DESC, id DESC LIMIT $6",
);
/// The newest codes of each coupon: a campaign can have made thousands of one.
const CODES: Sql = Sql::split(
    "SELECT coupon_id, id, code, active, customer_id, expires_at, max_redemptions, times_redeemed FROM
        (SELECT *, row_number() OVER (PARTITION BY coupon_id ORDER BY active DESC, created_at DESC, id) AS place
         FROM promotion_codes
         WHERE organization_id = $1 AND NOT deleted AND coupon_id IN (SELECT value FROM json_each($2))) AS ranked
     WHERE place <= $3 ORDER BY coupon_id, place",
    "SELECT coupon_id, id, code, active, customer_id, expires_at, max_redemptions, times_redeemed FROM
        (SELECT *, row_number() OVER (PARTITION BY coupon_id ORDER BY active DESC, created_at DESC, id) AS place
         FROM promotion_codes
         WHERE organization_id = $1 AND NOT deleted
           AND coupon_id = ANY (ARRAY(SELECT jsonb_array_elements_text($2::jsonb)))) AS ranked
     WHERE place <= $3 ORDER BY coupon_id, place",
);

/// Codes shown with a coupon.
pub const CODES_SHOWN_MAX: i64 = 20;

/// Plans, newest first; `product` and `active` narrow the list.
pub async fn plans(
    db: &Db,
    organization: &str,
    product: Option<&str>,
    active: Option<bool>,
    before: Option<Before<'_>>,
    limit: i64,
) -> Result<Vec<PlanRow>> {
    let (time, last) = before.unzip();
    db.all(PLANS, args![organization, product, active.map(i64::from), time, last, limit]).await
}

/// Coupons, newest first; `code` (what people type) and `valid` narrow the list.
pub async fn coupons(
    db: &Db,
    organization: &str,
    code: Option<&str>,
    valid: Option<bool>,
    before: Option<Before<'_>>,
    limit: i64,
) -> Result<Vec<Coupon>> {
    let (time, last) = before.unzip();
    db.all(COUPONS, args![organization, code, valid.map(i64::from), time, last, limit]).await
}

/// The promotion codes of several coupons, at most [`CODES_SHOWN_MAX`] of each: those in use, newest first.
pub async fn promotion_codes(
    db: &Db,
    organization: &str,
    coupons: &[String],
) -> Result<Vec<CodeRow>> {
    let ids = serde_json::Value::from(coupons).to_string();
    db.all(CODES, args![organization, ids, CODES_SHOWN_MAX]).await
}
