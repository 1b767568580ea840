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
// From the member to her customers to their subscriptions to their items, one index after the other. As a join,
// PostgreSQL walks all subscriptions for every item while a new database has no statistics; arrays leave it no choice.
const SUBSCRIPTIONS_OF_MEMBER: Sql = Sql::split(
    "SELECT s.id, s.status, s.start_date, s.created_at, s.current_period_start, s.current_period_end, s.cancel_at,
        s.cancel_at_period_end, s.ended_at, s.trial_end, s.pause_behavior
     FROM subscriptions AS s
     WHERE s.organization_id = $1 AND NOT s.deleted AND s.customer_id IN
        (SELECT c.id FROM customers AS c WHERE c.organization_id = $1 AND c.member_id = $2)
     ORDER BY s.id",
    "SELECT s.id, s.status, s.start_date, s.created_at, s.current_period_start, s.current_period_end, s.cancel_at,
        s.cancel_at_period_end, s.ended_at, s.trial_end, s.pause_behavior
     FROM subscriptions AS s
     WHERE s.organization_id = $1 AND NOT s.deleted AND s.customer_id = ANY (ARRAY
        (SELECT c.id FROM customers AS c WHERE c.organization_id = $1 AND c.member_id = $2))
     ORDER BY s.id",
);
const ITEMS_OF_SUBSCRIPTIONS: Sql = Sql::split(
    "SELECT subscription_id, product_id, quantity, unit_amount, recurring_interval, recurring_interval_count
     FROM subscription_items
     WHERE organization_id = $1 AND subscription_id IN (SELECT value FROM json_each($2))
     ORDER BY subscription_id, id",
    "SELECT subscription_id, product_id, quantity, unit_amount, recurring_interval, recurring_interval_count
     FROM subscription_items
     WHERE organization_id = $1
       AND subscription_id = ANY (ARRAY(SELECT jsonb_array_elements_text($2::jsonb)))
     ORDER BY subscription_id, id",
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
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let ids = serde_json::Value::from(ids).to_string();
    let items: Vec<ItemRow> = tx.all(ITEMS_OF_SUBSCRIPTIONS, args![organization, ids]).await?;
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
