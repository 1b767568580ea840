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

/// Reads the object and writes its row, unless the same was read of what was held. What cannot be read as an object of
/// its type stays raw only.
pub(super) async fn write(tx: &mut Tx, organization: &str, write: &Write<'_>) -> Result<()> {
    /// The builders of rows look alike, but each has its own type.
    macro_rules! row {
        ($read:ident, $put:ident) => {
            match changed(write, model::$read) {
                Some(object) => to::$put(tx, organization, &object).await,
                None => Ok(()),
            }
        };
    }
    match write.truth.kind {
        ObjectType::Price => row!(price, put_price),
        ObjectType::Coupon => row!(coupon, put_coupon),
        ObjectType::PromotionCode => row!(promotion_code, put_promotion_code),
        ObjectType::PaymentMethod => row!(payment_method, put_payment_method),
        ObjectType::SubscriptionSchedule => row!(schedule, put_schedule),
        ObjectType::InvoicePayment => row!(invoice_payment, put_invoice_payment),
        ObjectType::Charge => row!(charge, put_charge),
        ObjectType::Refund => row!(refund, put_refund),
        ObjectType::CheckoutSession => row!(checkout_session, put_checkout_session),
        ObjectType::Account => row!(account, put_account),
        // Written where the member behind them is derived.
        ObjectType::Product
        | ObjectType::Customer
        | ObjectType::Subscription
        | ObjectType::Invoice => Ok(()),
    }
}
