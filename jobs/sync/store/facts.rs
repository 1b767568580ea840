//! What the derivations read from the projections.

use std::collections::BTreeMap;

use crate::{
    args,
    of_each,
    entitlements::{ItemFacts, SubscriptionFacts, model::monthly_amount},
    kernel::{
        Timestamp,
        db::{Result, Sql, Tx},
    },
};

const CUSTOMER_OF: Sql =
    Sql::both("SELECT customer_id FROM subscriptions WHERE organization_id = $1 AND id = $2");
// From the members to their customers to their subscriptions to their items, one index after the other. As a join,
// PostgreSQL walks all subscriptions for every item while a new database has no statistics.
const CUSTOMERS_OF_MEMBERS: Sql =
    of_each!("id, member_id", "customers WHERE organization_id = $1", "member_id", "$2", "");
const SUBSCRIPTIONS_OF_CUSTOMERS: Sql = of_each!(
    "id, customer_id, status, start_date, created_at, current_period_start, current_period_end, cancel_at,
        cancel_at_period_end, ended_at, trial_end, pause_behavior, pause_resumes_at",
    "subscriptions WHERE organization_id = $1 AND NOT deleted",
    "customer_id", "$2", " ORDER BY id"
);
const ITEMS_OF_SUBSCRIPTIONS: Sql = of_each!(
    "subscription_id, id, product_id, quantity, unit_amount, recurring_interval, recurring_interval_count",
    "subscription_items WHERE organization_id = $1",
    "subscription_id", "$2", " ORDER BY subscription_id, id"
);
/// An invoice that is sent is due on its day; one that is charged, when it was made. A payment that was never tried or
/// is not due yet has not failed: Stripe's status says that one has, so the oldest that is open is it.
const UNPAID_SINCE: Sql = Sql::split(
    "SELECT subscription_id, min(coalesce(due_date, created_at)) FROM invoices
     WHERE organization_id = $1 AND NOT deleted AND status = 'open' AND amount_remaining > 0
       AND subscription_id IN (SELECT value FROM json_each($2)) GROUP BY subscription_id",
    "SELECT subscription_id, min(coalesce(due_date, created_at)) FROM invoices
     WHERE organization_id = $1 AND NOT deleted AND status = 'open' AND amount_remaining > 0
       AND subscription_id = ANY (ARRAY(SELECT jsonb_array_elements_text($2::jsonb))) GROUP BY subscription_id",
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
    customer_id: String,
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
    pause_resumes_at: Option<Timestamp>,
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

/// All subscriptions of members, over all their customers. Who has none is missing.
pub async fn subscriptions_of(
    tx: &mut Tx,
    organization: &str,
    members: &[&str],
) -> Result<BTreeMap<String, Vec<SubscriptionFacts>>> {
    let members = array(members);
    let customers: Vec<(String, String)> =
        tx.all(CUSTOMERS_OF_MEMBERS, args![organization, members]).await?;
    let customers: BTreeMap<String, String> = customers.into_iter().collect();
    let ids = array(&customers.keys().map(String::as_str).collect::<Vec<_>>());
    let rows: Vec<SubscriptionRow> =
        tx.all(SUBSCRIPTIONS_OF_CUSTOMERS, args![organization, ids]).await?;
    let ids = array(&rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>());
    let items: Vec<ItemRow> = tx.all(ITEMS_OF_SUBSCRIPTIONS, args![organization, ids]).await?;
    let mut items_of: BTreeMap<&str, Vec<ItemFacts>> = BTreeMap::new();
    for item in &items {
        items_of.entry(&item.subscription_id).or_default().push(item_facts(item));
    }
    let late: Vec<&str> =
        rows.iter().filter(|row| is_late(&row.status)).map(|row| row.id.as_str()).collect();
    let unpaid = unpaid_since(tx, organization, &late).await?;
    let mut all: BTreeMap<String, Vec<SubscriptionFacts>> = BTreeMap::new();
    for row in rows {
        let Some(member) = customers.get(&row.customer_id) else { continue };
        let items = items_of.remove(row.id.as_str()).unwrap_or_default();
        let unpaid_since = unpaid.get(&row.id).copied();
        all.entry(member.clone())
            .or_default()
            .push(SubscriptionFacts { unpaid_since, ..subscription_facts(row, items) });
    }
    Ok(all)
}

fn array(ids: &[&str]) -> String {
    serde_json::Value::from(ids).to_string()
}

fn subscription_facts(row: SubscriptionRow, items: Vec<ItemFacts>) -> SubscriptionFacts {
    SubscriptionFacts {
        started_at: row.start_date.unwrap_or(row.created_at),
        period_start: row.current_period_start,
        period_end: row.current_period_end,
        cancel_at: row.cancel_at,
        cancel_at_period_end: row.cancel_at_period_end,
        ended_at: row.ended_at,
        trial_end: row.trial_end,
        pause_behavior: row.pause_behavior,
        pause_resumes_at: row.pause_resumes_at,
        unpaid_since: None,
        items,
        status: row.status,
        id: row.id,
    }
}

/// Whether the invoices of a subscription in this status say since when it is late.
fn is_late(status: &str) -> bool {
    matches!(status, "past_due" | "unpaid")
}

/// For each of the subscriptions the time at which the oldest payment that failed was due.
async fn unpaid_since(
    tx: &mut Tx,
    organization: &str,
    subscriptions: &[&str],
) -> Result<BTreeMap<String, Timestamp>> {
    if subscriptions.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<(String, Timestamp)> =
        tx.all(UNPAID_SINCE, args![organization, array(subscriptions)]).await?;
    Ok(rows.into_iter().collect())
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
