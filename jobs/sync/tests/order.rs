//! Any order of arrival ends in the same rows.

use std::time::Duration;

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};

use super::{customer, event, invoice, members, price, product, receive, registry, subscription};
use crate::{
    kernel::db::Sql,
    testing::{Engine, TestDb},
};

/// A life at Stripe: the states of its objects, one after the other.
fn life() -> Vec<(&'static str, Value)> {
    let mut past_due = subscription("sub_1", "cus_1", "prod_a", "past_due");
    past_due["items"]["data"][0]["current_period_start"] = json!(1_762_600_000);
    let mut canceled = past_due.clone();
    canceled["status"] = json!("canceled");
    canceled["ended_at"] = json!(1_763_000_000);
    let mut renamed = customer("cus_1");
    renamed["name"] = json!("Jane Miller");
    vec![
        ("product.created", product("prod_a", false)),
        ("product.created", product("prod_free", true)),
        ("price.created", price("price_1", "prod_a", 999)),
        ("customer.created", customer("cus_1")),
        ("customer.subscription.created", subscription("sub_1", "cus_1", "prod_a", "incomplete")),
        ("customer.subscription.updated", subscription("sub_1", "cus_1", "prod_a", "active")),
        ("invoice.paid", invoice("in_1", "cus_1", "sub_1", "paid")),
        ("customer.updated", renamed),
        ("customer.subscription.updated", past_due),
        ("customer.subscription.deleted", canceled),
    ]
}

/// Every row that people read, without ids and times of ours.
async fn rows(db: &TestDb) -> Vec<String> {
    let mut all: Vec<String> = members(db).await.iter().map(|row| format!("{row:?}")).collect();
    for sql in [
        Sql::both("SELECT type || ' ' || id || ' ' || raw || ' ' || CAST(as_of AS TEXT) FROM stripe_objects ORDER BY 1"),
        Sql::both("SELECT id || ' ' || status || ' ' || customer_id FROM subscriptions ORDER BY 1"),
        Sql::both("SELECT id || ' ' || coalesce(name, '') || ' ' || link FROM customers ORDER BY 1"),
        Sql::both("SELECT id || ' ' || name || ' ' || benefits FROM tiers ORDER BY 1"),
        Sql::both("SELECT id || ' ' || status FROM invoices ORDER BY 1"),
        Sql::both("SELECT id || ' ' || state FROM stripe_events ORDER BY 1"),
    ] {
        all.extend(db.rows::<(String,)>(sql, &[]).await.into_iter().map(|row| row.0));
    }
    all
}

/// Plays the life at Stripe to its end, delivers its events as `order` says (an index may come twice), and runs the
/// jobs after each delivery for which `drains` says so.
async fn play(engine: Engine, order: &[usize], drains: &[bool]) -> Vec<String> {
    let db = TestDb::new(engine).await;
    let life = life();
    for (_, object) in &life {
        db.stripe.put(object);
    }
    for (step, at) in order.iter().enumerate() {
        let (kind, object) = &life[*at];
        receive(&db, &event(&format!("evt_{at}"), kind, object)).await;
        if drains.get(step).copied().unwrap_or(false) {
            db.drain(&registry()).await;
        }
    }
    db.drain(&registry()).await;
    rows(&db).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_order_with_duplicates_gives_the_same_rows_on_both_databases() {
    let in_order: Vec<usize> = (0..life().len()).collect();
    let expected = play(Engine::Sqlite, &in_order, &[]).await;
    assert!(expected.iter().any(|row| row.contains("canceled")), "{expected:#?}");
    assert_eq!(play(Engine::Postgres, &in_order, &[true; 10]).await, expected);

    let orders = (Just([in_order.clone(), in_order].concat()).prop_shuffle(), any::<[bool; 20]>());
    let mut runner = TestRunner::deterministic();
    for case in 0..24 {
        let (order, drains) = orders.new_tree(&mut runner).unwrap().current();
        let engine = if case % 2 == 0 { Engine::Sqlite } else { Engine::Postgres };
        assert_eq!(play(engine, &order, &drains).await, expected, "{order:?} {drains:?}");
    }
}

/// While events trickle in and jobs run in between, Stripe lives on; the mirror ends where Stripe ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_life_watched_as_it_happens_ends_where_stripe_ends() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let db = TestDb::new(engine).await;
        for (at, (kind, object)) in life().iter().enumerate() {
            db.stripe.put(object);
            db.advance(Duration::from_millis(400));
            let mut event = event(&format!("evt_{at}"), kind, object);
            event["created"] = json!(db.now().seconds());
            receive(&db, &event).await;
            if at % 3 != 2 {
                db.drain(&registry()).await;
            }
        }
        // Whatever is in doubt is fetched when its second is over.
        db.drain(&registry()).await;
        db.advance(Duration::from_secs(2));
        db.drain(&registry()).await;
        let comparison = crate::sync::diff(&db.env, "default").await.unwrap();
        assert_eq!(comparison.drift, []);
        assert_eq!(comparison.compared.values().sum::<u64>(), 6);
        assert_eq!(members(&db).await[0].1, "churned");
        assert_eq!(members(&db).await[0].4, Some(1_763_000_000_000));
    }
}
