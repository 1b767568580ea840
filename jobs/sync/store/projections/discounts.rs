//! The tables `coupons` and `promotion_codes`.

use super::super::super::model::{Coupon, PromotionCode};
use crate::{
    args,
    kernel::db::{Result, Sql, Tx},
};

const PUT_COUPON: Sql = Sql::both(
    "INSERT INTO coupons (organization_id, id, name, percent_off_bps, amount_off, currency, duration,
        duration_in_months, max_redemptions, times_redeemed, redeem_by, valid, deleted, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, FALSE, $13)
     ON CONFLICT (organization_id, id) DO UPDATE SET name = excluded.name, percent_off_bps = excluded.percent_off_bps,
        amount_off = excluded.amount_off, currency = excluded.currency, duration = excluded.duration,
        duration_in_months = excluded.duration_in_months, max_redemptions = excluded.max_redemptions,
        times_redeemed = excluded.times_redeemed, redeem_by = excluded.redeem_by, valid = excluded.valid,
        deleted = FALSE, created_at = excluded.created_at",
);
const PUT_CODE: Sql = Sql::both(
    "INSERT INTO promotion_codes (organization_id, id, coupon_id, code, active, customer_id, expires_at,
        max_redemptions, times_redeemed, deleted, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, FALSE, $10)
     ON CONFLICT (organization_id, id) DO UPDATE SET coupon_id = excluded.coupon_id, code = excluded.code,
        active = excluded.active, customer_id = excluded.customer_id, expires_at = excluded.expires_at,
        max_redemptions = excluded.max_redemptions, times_redeemed = excluded.times_redeemed, deleted = FALSE,
        created_at = excluded.created_at",
);

/// Writes coupons.
pub async fn put_coupons(tx: &mut Tx, organization: &str, all: &[Coupon]) -> Result<()> {
    let rows = all.iter().map(|coupon| {
        args![
            organization,
            &coupon.id,
            &coupon.name,
            coupon.percent_off_bps,
            coupon.amount_off,
            &coupon.currency,
            &coupon.duration,
            coupon.duration_in_months,
            coupon.max_redemptions,
            coupon.times_redeemed,
            coupon.redeem_by,
            coupon.valid,
            coupon.created_at
        ]
        .to_vec()
    });
    tx.insert(PUT_COUPON, &rows.collect::<Vec<_>>()).await?;
    Ok(())
}

/// Writes promotion codes.
pub async fn put_promotion_codes(tx: &mut Tx, organization: &str, all: &[PromotionCode]) -> Result<()> {
    let rows = all.iter().map(|code| {
        args![
            organization,
            &code.id,
            &code.coupon_id,
            &code.code,
            code.active,
            &code.customer_id,
            code.expires_at,
            code.max_redemptions,
            code.times_redeemed,
            code.created_at
        ]
        .to_vec()
    });
    tx.insert(PUT_CODE, &rows.collect::<Vec<_>>()).await?;
    Ok(())
}
