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

/// A customer with her member and how she was found.
#[derive(Clone, Debug)]
pub struct LinkedCustomer<'a> {
    /// The customer.
    pub customer: &'a Customer,
    /// The member.
    pub member: String,
    /// How she was found.
    pub link: String,
}

/// Writes customers and their links.
pub async fn put_customers(
    tx: &mut Tx,
    organization: &str,
    all: &[LinkedCustomer<'_>],
) -> Result<()> {
    let rows = all.iter().map(|LinkedCustomer { customer, member, link }| {
        args![
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
        ]
        .to_vec()
    });
    tx.insert(PUT_CUSTOMER, &rows.collect::<Vec<_>>()).await?;
    Ok(())
}
