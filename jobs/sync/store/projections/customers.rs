//! The table `customers`.

use super::super::super::model::Customer;
use crate::{
    args,
    kernel::db::{Result, Sql, Tx},
};

const PUT_CUSTOMER: Sql = Sql::both(
    "INSERT INTO customers (organization_id, id, member_id, link, email, name, currency, delinquent, balance,
        payment_method_id, deleted, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, FALSE, $11)
     ON CONFLICT (organization_id, id) DO UPDATE SET member_id = excluded.member_id, link = excluded.link,
        email = excluded.email, name = excluded.name, currency = excluded.currency,
        delinquent = excluded.delinquent, balance = excluded.balance,
        payment_method_id = excluded.payment_method_id, deleted = FALSE,
        created_at = excluded.created_at",
);

/// How a customer is linked at present.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Linked {
    /// The member, unless the link failed.
    pub member_id: Option<String>,
    /// How she was found.
    pub link: String,
    /// The customer's address as last seen.
    pub email: Option<String>,
}

/// Writes a customer and its link.
pub async fn put_customer(
    tx: &mut Tx,
    organization: &str,
    customer: &Customer,
    member: &str,
    link: &str,
) -> Result<()> {
    let row = args![
        organization,
        &customer.id,
        member,
        link,
        &customer.email,
        &customer.name,
        &customer.currency,
        customer.delinquent,
        customer.balance,
        &customer.payment_method_id,
        customer.created_at
    ];
    tx.execute(PUT_CUSTOMER, row).await?;
    Ok(())
}
