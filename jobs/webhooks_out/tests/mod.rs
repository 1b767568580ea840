//! Webhooks out on both databases, against receivers that answer what they are told to.

mod attempts;
mod changes;
mod emit;
mod endpoints;
mod history;
mod rules;
mod types;

use serde_json::json;

use super::store::{
    deliveries::{self, Delivery, Filter},
    endpoints::{Endpoint, Wanted},
};
use crate::{
    FAMILIES,
    kernel::{
        Registry,
        db::Sql,
        events::{Event, emit},
    },
    testing::TestDb,
};

/// Where the endpoints are.
const HOOK: &str = "https://receiver.example/hook";

fn registry() -> Registry {
    Registry::of(FAMILIES)
}

/// An endpoint of `organization` for these types; all where there are none.
async fn endpoint_of(db: &TestDb, organization: &str, types: Option<&[&str]>) -> Endpoint {
    let wanted = Wanted { url: HOOK, description: None, event_types: types };
    let mut tx = db.env.db.begin().await.unwrap();
    let made = super::create(&mut tx, db, organization, &wanted).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    made.endpoint
}

async fn endpoint(db: &TestDb) -> Endpoint {
    endpoint_of(db, "default", None).await
}

fn granted(member: Option<&str>) -> Event {
    Event {
        kind: "audience.access_granted",
        organization_id: "default".to_owned(),
        member_id: member.map(str::to_owned),
        data: json!({ "grant_id": "grt_1" }),
    }
}

/// Changes an endpoint's URL.
async fn move_to(db: &TestDb, endpoint: &Endpoint, url: &str) {
    let wanted = Wanted { url, description: None, event_types: None };
    let mut tx = db.env.db.begin().await.unwrap();
    super::update(&mut tx, db, &endpoint.organization_id, &endpoint.id, &wanted).await.unwrap();
    tx.commit().await.unwrap();
}

async fn set_enabled(db: &TestDb, endpoint: &Endpoint, enabled: bool) {
    let mut tx = db.env.db.begin().await.unwrap();
    super::set_enabled(&mut tx, db, &endpoint.organization_id, &endpoint.id, enabled).await.unwrap();
    tx.commit().await.unwrap();
}

/// Tells an event, in a transaction of its own.
async fn tell(db: &TestDb, event: &Event) {
    let mut tx = db.env.db.begin().await.unwrap();
    emit(&mut tx, db, event).await.unwrap();
    tx.commit().await.unwrap();
}

/// The organization's deliveries, newest first.
async fn deliveries_of(db: &TestDb, organization: &str) -> Vec<Delivery> {
    deliveries::list(&db.env.db, organization, &Filter::default(), None, 1_000).await.unwrap()
}

/// The one delivery there is.
async fn delivery(db: &TestDb) -> Delivery {
    let [one] = deliveries_of(db, "default").await.try_into().unwrap();
    one
}

/// The endpoint as it is now.
async fn now(db: &TestDb, endpoint: &Endpoint) -> Endpoint {
    let id = &endpoint.id;
    super::store::endpoints::get(&db.env.db, &endpoint.organization_id, id).await.unwrap().unwrap()
}

async fn kinds(db: &TestDb) -> Vec<String> {
    let rows: Vec<(String,)> = db.rows(Sql::both("SELECT type FROM events ORDER BY id"), &[]).await;
    rows.into_iter().map(|row| row.0).collect()
}
