//! The mirror's promises, on both databases.

mod history;
mod objects;
mod access;
mod drift;
mod links;
mod lives;
mod order;
mod park;
mod purchases;
mod race;
mod read;
mod receive;
mod recover;
mod reproject;
mod shapes;
mod walk;

use serde_json::{Value, json};

use crate::{
    FAMILIES,
    kernel::{Registry, db::Sql},
    sync::{Received, receive as receive_event},
    testing::TestDb,
};

/// Everything that memberd runs.
fn registry() -> Registry {
    Registry::of(FAMILIES)
}

fn customer(id: &str) -> Value {
    json!({ "id": id, "object": "customer", "created": 1_760_000_000, "livemode": false,
            "email": format!("{id}@example.com"), "name": "Jane Smith", "metadata": {} })
}

fn product(id: &str, default: bool) -> Value {
    json!({ "id": id, "object": "product", "created": 1_760_000_000, "livemode": false, "active": true,
            "name": format!("Tier {id}"), "metadata": { "memberd_default": default.to_string() },
            "marketing_features": [{ "name": "Early access" }] })
}

fn price(id: &str, product: &str, amount: i64) -> Value {
    json!({ "id": id, "object": "price", "created": 1_760_000_000, "livemode": false, "active": true,
            "currency": "usd", "product": product, "unit_amount": amount,
            "recurring": { "interval": "month", "interval_count": 1 } })
}

fn subscription(id: &str, customer: &str, product: &str, status: &str) -> Value {
    json!({ "id": id, "object": "subscription", "created": 1_760_000_100, "livemode": false,
            "customer": customer, "status": status, "start_date": 1_760_000_100, "currency": "usd",
            "cancel_at_period_end": false, "collection_method": "charge_automatically",
            "items": { "object": "list", "data": [{ "id": format!("si_{id}"), "object": "subscription_item",
                "quantity": 1, "price": price("price_1", product, 999),
                "current_period_start": 1_760_000_100, "current_period_end": 1_762_600_000 }] } })
}

fn invoice(id: &str, customer: &str, subscription: &str, status: &str) -> Value {
    json!({ "id": id, "object": "invoice", "created": 1_760_000_100, "livemode": false, "customer": customer,
            "status": status, "currency": "usd", "total": 999, "amount_due": 999, "amount_paid": 999,
            "amount_remaining": 0, "attempt_count": 1,
            "parent": { "subscription_details": { "subscription": subscription } } })
}

fn event(id: &str, kind: &str, object: &Value) -> Value {
    json!({ "id": id, "object": "event", "type": kind, "created": 1_760_000_200, "livemode": false,
            "api_version": "2026-09-30.endive", "data": { "object": object } })
}

/// The same in the shape of another API version, so that only a fetch tells what is true.
fn old_event(id: &str, kind: &str, object: &Value) -> Value {
    let mut event = event(id, kind, object);
    event["api_version"] = json!("2024-06-20");
    event
}

/// Receives an event as a webhook.
async fn receive(db: &TestDb, event: &Value) -> Received {
    receive_event(&db.env, "default", &event.to_string()).await.unwrap()
}

type AccessRow = (Option<String>, String, Option<String>, Option<String>, Option<i64>);

/// What people would see of the members, without ids and times of ours: the same mirror gives the same rows.
async fn members(db: &TestDb) -> Vec<AccessRow> {
    db.rows(
        Sql::both(
            "SELECT m.email, m.status, m.tier_id, e.product_id, e.ended_at FROM members AS m
             LEFT JOIN entitlements AS e ON e.member_id = m.id ORDER BY m.email, e.product_id",
        ),
        &[],
    )
    .await
}
