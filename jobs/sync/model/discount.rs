//! Coupons and the codes that promise them.

use serde_json::Value;

use super::{basis_points, created, first, flag, id_at, number, text, time};
use crate::kernel::Timestamp;

/// A coupon, as it is mirrored and shown.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Coupon {
    /// Stripe's id, which can be chosen freely.
    pub id: String,
    /// Its name for people.
    pub name: Option<String>,
    /// What it takes off, in hundredths of a percent.
    pub percent_off_bps: Option<i64>,
    /// What it takes off, in minor units of its currency.
    pub amount_off: Option<i64>,
    /// Currency code.
    pub currency: Option<String>,
    /// `forever`, `once` or `repeating`.
    pub duration: Option<String>,
    /// Months for which a repeating one holds.
    pub duration_in_months: Option<i64>,
    /// How often it can be redeemed.
    pub max_redemptions: Option<i64>,
    /// How often it was redeemed.
    pub times_redeemed: i64,
    /// Until when it can be redeemed.
    pub redeem_by: Option<Timestamp>,
    /// Whether it can be redeemed.
    pub valid: bool,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A promotion code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromotionCode {
    /// `promo_…`
    pub id: String,
    /// The coupon it promises.
    pub coupon_id: Option<String>,
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
    /// When it was created.
    pub created_at: Timestamp,
}

/// A coupon.
pub fn coupon(value: &Value) -> Option<Coupon> {
    Some(Coupon {
        id: text(value, "/id")?,
        name: text(value, "/name"),
        percent_off_bps: basis_points(value, "/percent_off"),
        amount_off: number(value, "/amount_off"),
        currency: text(value, "/currency"),
        duration: text(value, "/duration"),
        duration_in_months: number(value, "/duration_in_months"),
        max_redemptions: number(value, "/max_redemptions"),
        times_redeemed: number(value, "/times_redeemed").unwrap_or(0),
        redeem_by: time(value, "/redeem_by"),
        valid: flag(value, "/valid"),
        created_at: created(value),
    })
}

/// A promotion code.
pub fn promotion_code(value: &Value) -> Option<PromotionCode> {
    Some(PromotionCode {
        id: text(value, "/id")?,
        coupon_id: first(value, &["/promotion/coupon", "/coupon"], id_at),
        code: text(value, "/code").unwrap_or_default(),
        active: flag(value, "/active"),
        customer_id: id_at(value, "/customer"),
        expires_at: time(value, "/expires_at"),
        max_redemptions: number(value, "/max_redemptions"),
        times_redeemed: number(value, "/times_redeemed").unwrap_or(0),
        created_at: created(value),
    })
}

/// The coupon of a discount; `None` where the discount is told by its id only.
pub(super) fn discounted_by(value: &Value, pointer: &str) -> Option<String> {
    first(value.pointer(pointer)?, &["/source/coupon", "/coupon"], id_at)
}
