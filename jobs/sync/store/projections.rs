//! The projections: columns that people and rules read, rebuilt from the raw object whenever it changes.

use super::super::model::{Customer, Invoice, Item, Price, Subscription};
use crate::{
    args,
    entitlements::ProductFacts,
    kernel::{
        Timestamp,
        db::{Result, Sql, Tx},
        ports::ObjectType,
    },
};

const PUT_CUSTOMER: Sql = Sql::both(
    "INSERT INTO customers (organization_id, id, member_id, link, email, name, currency, delinquent, deleted,
        created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, FALSE, $9)
     ON CONFLICT (organization_id, id) DO UPDATE SET member_id = excluded.member_id, link = excluded.link,
        email = excluded.email, name = excluded.name, currency = excluded.currency,
        delinquent = excluded.delinquent, deleted = FALSE",
);
const PUT_PRODUCT: Sql = Sql::both(
    "INSERT INTO products (organization_id, id, name, description, active, deleted, created_at)
     VALUES ($1, $2, $3, $4, $5, FALSE, $6)
     ON CONFLICT (organization_id, id) DO UPDATE SET name = excluded.name, description = excluded.description,
        active = excluded.active, deleted = FALSE",
);
const PUT_PRICE: Sql = Sql::both(
    "INSERT INTO prices (organization_id, id, product_id, nickname, currency, unit_amount, recurring_interval,
        recurring_interval_count, active, deleted, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, FALSE, $10)
     ON CONFLICT (organization_id, id) DO UPDATE SET product_id = excluded.product_id,
        nickname = excluded.nickname, currency = excluded.currency, unit_amount = excluded.unit_amount,
        recurring_interval = excluded.recurring_interval,
        recurring_interval_count = excluded.recurring_interval_count, active = excluded.active,
        deleted = FALSE",
);
const PUT_SUBSCRIPTION: Sql = Sql::both(
    "INSERT INTO subscriptions (organization_id, id, customer_id, status, collection_method, currency, start_date,
        trial_start, trial_end, current_period_start, current_period_end, cancel_at, cancel_at_period_end,
        canceled_at, ended_at, pause_behavior, pause_resumes_at, latest_invoice_id, deleted, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, FALSE, $19)
     ON CONFLICT (organization_id, id) DO UPDATE SET customer_id = excluded.customer_id,
        status = excluded.status, collection_method = excluded.collection_method, currency = excluded.currency,
        start_date = excluded.start_date, trial_start = excluded.trial_start, trial_end = excluded.trial_end,
        current_period_start = excluded.current_period_start,
        current_period_end = excluded.current_period_end, cancel_at = excluded.cancel_at,
        cancel_at_period_end = excluded.cancel_at_period_end, canceled_at = excluded.canceled_at,
        ended_at = excluded.ended_at, pause_behavior = excluded.pause_behavior,
        pause_resumes_at = excluded.pause_resumes_at, latest_invoice_id = excluded.latest_invoice_id,
        deleted = FALSE",
);
const DROP_ITEMS: Sql =
    Sql::both("DELETE FROM subscription_items WHERE organization_id = $1 AND subscription_id = $2");
const PUT_ITEM: Sql = Sql::both(
    "INSERT INTO subscription_items (organization_id, subscription_id, id, price_id, product_id, quantity, currency,
        unit_amount, recurring_interval, recurring_interval_count, current_period_start, current_period_end)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
);
const PUT_INVOICE: Sql = Sql::both(
    "INSERT INTO invoices (organization_id, id, customer_id, subscription_id, number, status, collection_method,
        currency, total, amount_due, amount_paid, amount_remaining, attempt_count, due_date, period_start,
        period_end, paid_at, hosted_invoice_url, deleted, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, FALSE, $19)
     ON CONFLICT (organization_id, id) DO UPDATE SET customer_id = excluded.customer_id,
        subscription_id = excluded.subscription_id, number = excluded.number, status = excluded.status,
        collection_method = excluded.collection_method, currency = excluded.currency, total = excluded.total,
        amount_due = excluded.amount_due, amount_paid = excluded.amount_paid,
        amount_remaining = excluded.amount_remaining, attempt_count = excluded.attempt_count,
        due_date = excluded.due_date, period_start = excluded.period_start, period_end = excluded.period_end,
        paid_at = excluded.paid_at, hosted_invoice_url = excluded.hosted_invoice_url,
        deleted = FALSE",
);
const DELETE_CUSTOMER: Sql =
    Sql::both("UPDATE customers SET deleted = TRUE WHERE organization_id = $1 AND id = $2");
const DELETE_PRODUCT: Sql = Sql::both(
    "UPDATE products SET deleted = TRUE, active = FALSE WHERE organization_id = $1 AND id = $2",
);
const DELETE_PRICE: Sql = Sql::both(
    "UPDATE prices SET deleted = TRUE, active = FALSE WHERE organization_id = $1 AND id = $2",
);
const DELETE_SUBSCRIPTION: Sql =
    Sql::both("UPDATE subscriptions SET deleted = TRUE WHERE organization_id = $1 AND id = $2");
const DELETE_INVOICE: Sql =
    Sql::both("UPDATE invoices SET deleted = TRUE WHERE organization_id = $1 AND id = $2");
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
        customer.created_at
    ];
    tx.execute(PUT_CUSTOMER, row).await?;
    Ok(())
}

/// Writes a product.
pub async fn put_product(
    tx: &mut Tx,
    organization: &str,
    product: &ProductFacts,
    created_at: Timestamp,
) -> Result<()> {
    let ProductFacts { id, name, description, active, .. } = product;
    tx.execute(PUT_PRODUCT, args![organization, id, name, description, *active, created_at]).await?;
    Ok(())
}

/// Writes a price.
pub async fn put_price(tx: &mut Tx, organization: &str, price: &Price) -> Result<()> {
    let row = args![
        organization,
        &price.id,
        &price.product_id,
        &price.nickname,
        &price.currency,
        price.unit_amount,
        &price.interval,
        price.interval_count,
        price.active,
        price.created_at
    ];
    tx.execute(PUT_PRICE, row).await?;
    Ok(())
}

/// Writes a subscription and replaces its items.
pub async fn put_subscription(tx: &mut Tx, organization: &str, sub: &Subscription) -> Result<()> {
    let facts = &sub.facts;
    let row = args![
        organization,
        &facts.id,
        &sub.customer_id,
        &facts.status,
        &sub.collection_method,
        &sub.currency,
        facts.started_at,
        sub.trial_start,
        facts.trial_end,
        facts.period_start,
        facts.period_end,
        facts.cancel_at,
        facts.cancel_at_period_end,
        sub.canceled_at,
        facts.ended_at,
        &facts.pause_behavior,
        sub.pause_resumes_at,
        &sub.latest_invoice_id,
        sub.created_at
    ];
    tx.execute(PUT_SUBSCRIPTION, row).await?;
    tx.execute(DROP_ITEMS, args![organization, &facts.id]).await?;
    for item in &sub.items {
        put_item(tx, organization, &facts.id, item).await?;
    }
    Ok(())
}

async fn put_item(tx: &mut Tx, organization: &str, subscription: &str, item: &Item) -> Result<()> {
    let price = &item.price;
    let row = args![
        organization,
        subscription,
        &item.id,
        &price.id,
        &price.product_id,
        item.quantity,
        &price.currency,
        price.unit_amount,
        &price.interval,
        price.interval_count,
        item.period_start,
        item.period_end
    ];
    tx.execute(PUT_ITEM, row).await?;
    Ok(())
}

/// Writes an invoice.
pub async fn put_invoice(tx: &mut Tx, organization: &str, invoice: &Invoice) -> Result<()> {
    let row = args![
        organization,
        &invoice.id,
        &invoice.customer_id,
        &invoice.subscription_id,
        &invoice.number,
        &invoice.status,
        &invoice.collection_method,
        &invoice.currency,
        invoice.total,
        invoice.amount_due,
        invoice.amount_paid,
        invoice.amount_remaining,
        invoice.attempt_count,
        invoice.due_date,
        invoice.period_start,
        invoice.period_end,
        invoice.paid_at,
        &invoice.hosted_invoice_url,
        invoice.created_at
    ];
    tx.execute(PUT_INVOICE, row).await?;
    Ok(())
}

/// Marks a projection as deleted; one that was never there stays absent.
pub async fn delete(
    tx: &mut Tx,
    organization: &str,
    kind: ObjectType,
    id: &str,
) -> Result<()> {
    let sql = match kind {
        ObjectType::Customer => DELETE_CUSTOMER,
        ObjectType::Product => DELETE_PRODUCT,
        ObjectType::Price => DELETE_PRICE,
        ObjectType::Subscription => DELETE_SUBSCRIPTION,
        ObjectType::Invoice => DELETE_INVOICE,
    };
    tx.execute(sql, args![organization, id]).await?;
    Ok(())
}
