//! What the derivations read from the projections.

use crate::{
    args,
    entitlements::{ItemFacts, SubscriptionFacts, model::monthly_amount},
    kernel::{
        Timestamp,
        db::{Result, Sql, Tx},
    },
};

const CUSTOMER_OF: Sql =
    Sql::both("SELECT customer_id FROM subscriptions WHERE organization_id = $1 AND id = $2");
const SUBSCRIPTIONS_OF_MEMBER: Sql = Sql::both(
    "SELECT s.id, s.status, s.start_date, s.created_at, s.current_period_start, s.current_period_end, s.cancel_at,
        s.cancel_at_period_end, s.ended_at, s.trial_end, s.pause_behavior
     FROM subscriptions AS s JOIN customers AS c ON c.organization_id = s.organization_id AND c.id = s.customer_id
     WHERE s.organization_id = $1 AND c.member_id = $2 AND NOT s.deleted ORDER BY s.id",
);
const ITEMS_OF_MEMBER: Sql = Sql::both(
    "SELECT i.subscription_id, i.product_id, i.quantity, i.unit_amount, i.recurring_interval,
        i.recurring_interval_count
     FROM subscription_items AS i
     JOIN subscriptions AS s ON s.organization_id = i.organization_id AND s.id = i.subscription_id
     JOIN customers AS c ON c.organization_id = s.organization_id AND c.id = s.customer_id
     WHERE i.organization_id = $1 AND c.member_id = $2 AND NOT s.deleted ORDER BY i.subscription_id, i.id",
);

/// The customer of a subscription that is in the mirror.
pub async fn customer_of(
    tx: &mut Tx,
    organization: &str,
    subscription: &str,
) -> Result<Option<String>> {
    let row: Option<(String,)> = tx.optional(CUSTOMER_OF, args![organization, subscription]).await?;
    Ok(row.map(|row| row.0))
}

#[derive(sqlx::FromRow)]
struct SubscriptionRow {
    id: String,
    status: String,
    start_date: Option<Timestamp>,
    created_at: Timestamp,
    current_period_start: Option<Timestamp>,
    current_period_end: Option<Timestamp>,
    cancel_at: Option<Timestamp>,
    cancel_at_period_end: bool,
    ended_at: Option<Timestamp>,
    trial_end: Option<Timestamp>,
    pause_behavior: Option<String>,
}

#[derive(sqlx::FromRow)]
struct ItemRow {
    subscription_id: String,
    product_id: String,
    quantity: i64,
    unit_amount: Option<i64>,
    recurring_interval: Option<String>,
    recurring_interval_count: Option<i64>,
}

/// All subscriptions of a member, over all her customers.
pub async fn subscriptions_of(
    tx: &mut Tx,
    organization: &str,
    member: &str,
) -> Result<Vec<SubscriptionFacts>> {
    let rows: Vec<SubscriptionRow> =
        tx.all(SUBSCRIPTIONS_OF_MEMBER, args![organization, member]).await?;
    let items: Vec<ItemRow> = tx.all(ITEMS_OF_MEMBER, args![organization, member]).await?;
    let facts = |row: SubscriptionRow| SubscriptionFacts {
        started_at: row.start_date.unwrap_or(row.created_at),
        period_start: row.current_period_start,
        period_end: row.current_period_end,
        cancel_at: row.cancel_at,
        cancel_at_period_end: row.cancel_at_period_end,
        ended_at: row.ended_at,
        trial_end: row.trial_end,
        pause_behavior: row.pause_behavior,
        items: items.iter().filter(|item| item.subscription_id == row.id).map(item_facts).collect(),
        status: row.status,
        id: row.id,
    };
    Ok(rows.into_iter().map(facts).collect())
}

fn item_facts(item: &ItemRow) -> ItemFacts {
    ItemFacts {
        product_id: item.product_id.clone(),
        monthly_amount: monthly_amount(
            item.unit_amount.unwrap_or(0),
            item.quantity,
            item.recurring_interval.as_deref().unwrap_or("month"),
            item.recurring_interval_count.unwrap_or(1),
        ),
    }
}
