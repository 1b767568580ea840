//! The tables `products` and `prices`.

use super::super::super::model::Price;
use crate::{
    args,
    entitlements::ProductFacts,
    kernel::{
        Timestamp,
        db::{Result, Sql, Tx},
    },
};

const PUT_PRODUCT: Sql = Sql::both(
    "INSERT INTO products (organization_id, id, name, description, active, deleted, created_at)
     VALUES ($1, $2, $3, $4, $5, FALSE, $6)
     ON CONFLICT (organization_id, id) DO UPDATE SET name = excluded.name, description = excluded.description,
        active = excluded.active, deleted = FALSE, created_at = excluded.created_at",
);
const PUT_PRICE: Sql = Sql::both(
    "INSERT INTO prices (organization_id, id, product_id, nickname, currency, unit_amount, recurring_interval,
        recurring_interval_count, type, trial_period_days, custom_amount, active, deleted, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, FALSE, $13)
     ON CONFLICT (organization_id, id) DO UPDATE SET product_id = excluded.product_id,
        nickname = excluded.nickname, currency = excluded.currency, unit_amount = excluded.unit_amount,
        recurring_interval = excluded.recurring_interval,
        recurring_interval_count = excluded.recurring_interval_count, type = excluded.type,
        trial_period_days = excluded.trial_period_days, custom_amount = excluded.custom_amount,
        active = excluded.active, deleted = FALSE, created_at = excluded.created_at",
);

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

/// Writes prices.
pub async fn put_prices(tx: &mut Tx, organization: &str, all: &[Price]) -> Result<()> {
    let rows = all.iter().map(|price| {
        args![
            organization,
            &price.id,
            &price.product_id,
            &price.nickname,
            &price.currency,
            price.unit_amount,
            &price.interval,
            price.interval_count,
            &price.kind,
            price.trial_period_days,
            price.custom_amount,
            price.active,
            price.created_at
        ]
        .to_vec()
    });
    tx.insert(PUT_PRICE, &rows.collect::<Vec<_>>()).await?;
    Ok(())
}
