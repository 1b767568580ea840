//! The projections: columns that people and rules read, rebuilt from the raw object whenever it changes.

mod accounts;
mod catalog;
mod customers;
mod discounts;
mod invoices;
mod payments;
mod subscriptions;

pub use accounts::put_accounts;
pub use catalog::{put_prices, put_product};
pub use customers::{Linked, LinkedCustomer, put_customers};
pub use discounts::{put_coupons, put_promotion_codes};
pub use invoices::{put_invoice_payments, put_invoices};
pub use payments::{put_charges, put_checkout_sessions, put_payment_methods, put_refunds};
pub use subscriptions::{put_schedules, put_subscriptions};

use crate::{
    args,
    kernel::{
        db::{Result, Sql, Tx},
        ports::ObjectType,
    },
};

/// Marks the row of a deleted object.
macro_rules! marked {
    ($table:literal) => {
        marked!($table, "deleted = TRUE")
    };
    ($table:literal, $set:literal) => {
        Sql::both(concat!(
            "UPDATE ", $table, " SET ", $set, " WHERE organization_id = $1 AND id = $2"
        ))
    };
}

/// What an object's deletion does to its row.
const fn mark(kind: ObjectType) -> Sql {
    match kind {
        ObjectType::Customer => marked!("customers"),
        ObjectType::Product => marked!("products", "deleted = TRUE, active = FALSE"),
        ObjectType::Price => marked!("prices", "deleted = TRUE, active = FALSE"),
        ObjectType::Subscription => marked!("subscriptions"),
        ObjectType::Invoice => marked!("invoices"),
        ObjectType::Coupon => marked!("coupons", "deleted = TRUE, valid = FALSE"),
        ObjectType::PromotionCode => marked!("promotion_codes", "deleted = TRUE, active = FALSE"),
        ObjectType::PaymentMethod => marked!("payment_methods"),
        ObjectType::SubscriptionSchedule => marked!("subscription_schedules"),
        ObjectType::InvoicePayment => marked!("invoice_payments"),
        ObjectType::Charge => marked!("charges"),
        ObjectType::Refund => marked!("refunds"),
        ObjectType::CheckoutSession => marked!("checkout_sessions"),
        ObjectType::Account => marked!("stripe_accounts"),
    }
}

/// Marks a projection as deleted; one that was never there stays absent.
pub async fn delete(tx: &mut Tx, organization: &str, kind: ObjectType, id: &str) -> Result<()> {
    tx.execute(mark(kind), args![organization, id]).await?;
    Ok(())
}
