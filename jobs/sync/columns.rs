//! Writing the columns of objects on which nobody's access depends.

use super::{
    apply::{Write, changed},
    model,
    store::projections as to,
};
use crate::kernel::{
    db::{Result, Tx},
    ports::ObjectType,
};

/// Reads objects of one type and writes their rows together, except where the same was read of what was held. What
/// cannot be read as an object of its type stays raw only.
pub(super) async fn write(
    tx: &mut Tx,
    organization: &str,
    kind: ObjectType,
    writes: &[&Write<'_>],
) -> Result<()> {
    /// The builders of rows look alike, but each has its own type.
    macro_rules! rows {
        ($read:ident, $put:ident) => {{
            let objects: Vec<_> = writes.iter().filter_map(|write| changed(write, model::$read)).collect();
            to::$put(tx, organization, &objects).await
        }};
    }
    match kind {
        ObjectType::Price => rows!(price, put_prices),
        ObjectType::Coupon => rows!(coupon, put_coupons),
        ObjectType::PromotionCode => rows!(promotion_code, put_promotion_codes),
        ObjectType::PaymentMethod => rows!(payment_method, put_payment_methods),
        ObjectType::SubscriptionSchedule => rows!(schedule, put_schedules),
        ObjectType::InvoicePayment => rows!(invoice_payment, put_invoice_payments),
        ObjectType::Charge => rows!(charge, put_charges),
        ObjectType::Refund => rows!(refund, put_refunds),
        ObjectType::CheckoutSession => rows!(checkout_session, put_checkout_sessions),
        ObjectType::Account => rows!(account, put_accounts),
        // Written where the member behind them is derived.
        ObjectType::Product
        | ObjectType::Customer
        | ObjectType::Subscription
        | ObjectType::Invoice => Ok(()),
    }
}
