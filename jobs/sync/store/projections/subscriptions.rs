//! The tables `subscriptions`, `subscription_items` and `subscription_schedules`.

use std::collections::BTreeMap;

use super::super::super::model::{Item, Schedule, Subscription};
use crate::{
    args, is_of_each,
    kernel::db::{Result, Sql, Tx},
};

const PUT_SUBSCRIPTION: Sql = Sql::both(
    "INSERT INTO subscriptions (organization_id, id, customer_id, status, collection_method, currency, start_date,
        trial_start, trial_end, current_period_start, current_period_end, cancel_at, cancel_at_period_end,
        canceled_at, ended_at, pause_behavior, pause_resumes_at, latest_invoice_id, payment_method_id,
        schedule_id, coupon_id, cancel_reason, deleted, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, FALSE,
        $23)
     ON CONFLICT (organization_id, id) DO UPDATE SET customer_id = excluded.customer_id,
        status = excluded.status, collection_method = excluded.collection_method, currency = excluded.currency,
        start_date = excluded.start_date, trial_start = excluded.trial_start, trial_end = excluded.trial_end,
        current_period_start = excluded.current_period_start,
        current_period_end = excluded.current_period_end, cancel_at = excluded.cancel_at,
        cancel_at_period_end = excluded.cancel_at_period_end, canceled_at = excluded.canceled_at,
        ended_at = excluded.ended_at, pause_behavior = excluded.pause_behavior,
        pause_resumes_at = excluded.pause_resumes_at, latest_invoice_id = excluded.latest_invoice_id,
        payment_method_id = excluded.payment_method_id, schedule_id = excluded.schedule_id,
        coupon_id = excluded.coupon_id, cancel_reason = excluded.cancel_reason, deleted = FALSE,
        created_at = excluded.created_at",
);
/// Items that their subscriptions have no more. An item never moves to another subscription.
const DROP_ITEMS: Sql = Sql::split(
    "DELETE FROM subscription_items
     WHERE organization_id = $1 AND subscription_id IN (SELECT value FROM json_each($2))
       AND id NOT IN (SELECT value FROM json_each($3))",
    concat!(
        "DELETE FROM subscription_items
         WHERE organization_id = $1 AND id NOT IN (SELECT jsonb_array_elements_text($3::jsonb)) AND ",
        is_of_each!("subscription_items WHERE organization_id = $1", "subscription_id", "$2")
    ),
);
const PUT_ITEM: Sql = Sql::both(
    "INSERT INTO subscription_items (organization_id, subscription_id, id, price_id, product_id, quantity, currency,
        unit_amount, recurring_interval, recurring_interval_count, current_period_start, current_period_end)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
     ON CONFLICT (organization_id, subscription_id, id) DO UPDATE SET price_id = excluded.price_id,
        product_id = excluded.product_id, quantity = excluded.quantity, currency = excluded.currency,
        unit_amount = excluded.unit_amount, recurring_interval = excluded.recurring_interval,
        recurring_interval_count = excluded.recurring_interval_count,
        current_period_start = excluded.current_period_start, current_period_end = excluded.current_period_end",
);
const PUT_SCHEDULE: Sql = Sql::both(
    "INSERT INTO subscription_schedules (organization_id, id, customer_id, subscription_id, status, end_behavior, phases,
        current_phase_start, current_phase_end, canceled_at, completed_at, released_at, deleted, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, FALSE, $13)
     ON CONFLICT (organization_id, id) DO UPDATE SET customer_id = excluded.customer_id,
        subscription_id = excluded.subscription_id, status = excluded.status, end_behavior = excluded.end_behavior,
        phases = excluded.phases, current_phase_start = excluded.current_phase_start,
        current_phase_end = excluded.current_phase_end, canceled_at = excluded.canceled_at,
        completed_at = excluded.completed_at, released_at = excluded.released_at, deleted = FALSE,
        created_at = excluded.created_at",
);

/// Writes subscriptions and replaces their items.
pub async fn put_subscriptions(tx: &mut Tx, organization: &str, all: &[Subscription]) -> Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    let rows = all.iter().map(|sub| {
        let facts = &sub.facts;
        args![
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
            facts.pause_resumes_at,
            &sub.latest_invoice_id,
            &sub.payment_method_id,
            &sub.schedule_id,
            &sub.coupon_id,
            &sub.cancel_reason,
            sub.created_at
        ]
        .to_vec()
    });
    tx.insert(PUT_SUBSCRIPTION, &rows.collect::<Vec<_>>()).await?;
    put_items(tx, organization, all).await
}

async fn put_items(tx: &mut Tx, organization: &str, all: &[Subscription]) -> Result<()> {
    let items = || all.iter().flat_map(|sub| sub.items.iter().map(|item| (&sub.facts.id, item)));
    let of: Vec<&str> = all.iter().map(|sub| sub.facts.id.as_str()).collect();
    let stay: Vec<&str> = items().map(|(_, item)| item.id.as_str()).collect();
    let array = |ids: Vec<&str>| serde_json::Value::from(ids).to_string();
    tx.execute(DROP_ITEMS, args![organization, array(of), array(stay)]).await?;
    // Stripe lists an item once; were it there twice, the last would count.
    let each: BTreeMap<_, &Item> = items().map(|(sub, item)| ((sub, &item.id), item)).collect();
    let rows = each.into_iter().map(|((subscription, id), item)| {
        let price = &item.price;
        args![
            organization,
            subscription,
            id,
            &price.id,
            &price.product_id,
            item.quantity,
            &price.currency,
            price.unit_amount,
            &price.interval,
            price.interval_count,
            item.period_start,
            item.period_end
        ]
        .to_vec()
    });
    tx.insert(PUT_ITEM, &rows.collect::<Vec<_>>()).await?;
    Ok(())
}

/// Writes subscription schedules.
pub async fn put_schedules(tx: &mut Tx, organization: &str, all: &[Schedule]) -> Result<()> {
    let rows = all.iter().map(|schedule| {
        args![
            organization,
            &schedule.id,
            &schedule.customer_id,
            &schedule.subscription_id,
            &schedule.status,
            &schedule.end_behavior,
            schedule.phases_json(),
            schedule.current_phase_start,
            schedule.current_phase_end,
            schedule.canceled_at,
            schedule.completed_at,
            schedule.released_at,
            schedule.created_at
        ]
        .to_vec()
    });
    tx.insert(PUT_SCHEDULE, &rows.collect::<Vec<_>>()).await?;
    Ok(())
}
