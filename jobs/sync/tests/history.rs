//! Random lives of subscriptions at Stripe, half of their changes in one second with the one before. Their events come
//! swapped, twice, late or never. In the end the mirror is what Stripe is, every time.
//!
//! `MEMBERD_LIVES` sets how many lives each database sees.

use std::{collections::BTreeMap, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

use super::{customer, registry, subscription};
use crate::{
    kernel::{db::Sql, outbox::NewJob},
    sync::{PollEvents, ReconcileObjects, diff, receive as receive_event},
    testing::{Engine, START, TestDb},
};

/// Lives on each database, unless set.
const LIVES: usize = 150;
/// Lives that go on at the same time.
const AT_ONCE: usize = 150;
/// The words that a subscription's status can take.
const STATUSES: [&str; 7] =
    ["incomplete", "trialing", "active", "past_due", "unpaid", "paused", "canceled"];

/// A change at Stripe: when, what is true then, and its event.
struct Change {
    at: i64,
    object: Value,
    event: Value,
}

/// One life, from its creation to a cancellation or until it has changed seven times.
fn life(rng: &mut StdRng, number: usize) -> Vec<Change> {
    let id = format!("sub_{number}");
    let start = *["incomplete", "trialing", "active"].choose(rng).unwrap();
    let mut now = subscription(&id, &format!("cus_{}", number % 50), "prod_a", start);
    let mut at = START.0 + rng.random_range(0..60_000);
    let mut changes = vec![change(number, 0, at, "created", &now, None)];
    for step in 1..=rng.random_range(1..=7) {
        at = match rng.random_range(0..6) {
            // Still the same second.
            0..3 => at + (999 - at.rem_euclid(1_000)).min(rng.random_range(1..300)),
            3 => at + 1_000,
            4 => at + 5_000,
            _ => at + 60_000,
        };
        let (field, was) = match rng.random_range(0..4) {
            0 | 1 => {
                let others: Vec<_> = STATUSES.iter().filter(|word| now["status"] != **word).collect();
                ("status", std::mem::replace(&mut now["status"], json!(others.choose(rng).unwrap())))
            }
            2 => {
                let ends = now["cancel_at_period_end"] == true;
                ("cancel_at_period_end", std::mem::replace(&mut now["cancel_at_period_end"], json!(!ends)))
            }
            _ => ("metadata", std::mem::replace(&mut now["metadata"], json!({ "rev": step.to_string() }))),
        };
        let ended = now["status"] == "canceled";
        let kind = if ended { "deleted" } else { "updated" };
        changes.push(change(number, step, at, kind, &now, Some(json!({ field: was }))));
        if ended {
            break;
        }
    }
    changes
}

fn change(number: usize, step: usize, at: i64, kind: &str, now: &Value, was: Option<Value>) -> Change {
    let mut data = json!({ "object": now });
    if let Some(was) = was {
        data["previous_attributes"] = was;
    }
    let event = json!({ "id": format!("evt_{number}_{step}"), "object": "event",
        "type": format!("customer.subscription.{kind}"), "created": at.div_euclid(1_000), "livemode": false,
        "api_version": "2026-09-30.endive", "data": data });
    Change { at, object: now.clone(), event }
}

/// What happens, in the order of time.
enum Step {
    /// Stripe changes.
    Change(Value),
    /// Stripe lists the event, so that a poll can find it.
    List(Value),
    /// A webhook comes.
    Deliver(Value),
    /// Jobs run.
    Drain,
}

/// Each event comes a moment later, or after those behind it, or twice, or by the poll only, or never.
fn script(rng: &mut StdRng, first: usize) -> Vec<(i64, Step)> {
    let mut script = Vec::new();
    for number in first..first + AT_ONCE {
        for Change { at, object, event } in life(rng, number) {
            script.push((at, Step::Change(object)));
            let late = at + *[20, 40, 400, 1_500, 8_000].choose(rng).unwrap();
            match rng.random_range(0..20) {
                // Lost for ever: only a reconciliation finds it.
                0 => continue,
                1 => {}
                2..5 => {
                    script.push((late, Step::Deliver(event.clone())));
                    script.push((late + rng.random_range(0..90_000), Step::Deliver(event.clone())));
                }
                _ => script.push((late, Step::Deliver(event.clone()))),
            }
            script.push((at, Step::List(event)));
        }
    }
    script.sort_by_key(|(at, _)| *at);
    let end = script.last().map_or(START.0, |(at, _)| *at);
    for at in (START.0..end).step_by(700) {
        script.push((at, Step::Drain));
    }
    script.sort_by_key(|(at, _)| *at);
    script
}

async fn play(db: &TestDb, script: Vec<(i64, Step)>) {
    for (at, step) in script {
        db.advance(Duration::from_millis(u64::try_from(at - db.now().0).unwrap_or(0)));
        match step {
            Step::Change(object) => db.stripe.put(&object),
            Step::List(event) => db.stripe.put_event(&event),
            Step::Deliver(event) => {
                receive_event(&db.env, "default", &event.to_string()).await.unwrap();
            }
            Step::Drain => {
                db.drain(&registry()).await;
            }
        }
    }
}

async fn run(db: &TestDb, job: NewJob) {
    db.enqueue(job).await;
    // A fetch waits for the end of the second of its tie.
    for _ in 0..4 {
        db.drain(&registry()).await;
        db.advance(Duration::from_secs(2));
    }
}

const STATUS: Sql = Sql::both("SELECT id, status FROM subscriptions ORDER BY id");

async fn lives(engine: Engine, count: usize) {
    let mut rng = StdRng::seed_from_u64(7);
    let (mut fetched, mut events, mut repaired) = (0, 0, 0);
    for first in (0..count).step_by(AT_ONCE) {
        let db = TestDb::new(engine).await;
        // Of an answer nobody knows in which of two seconds it was true.
        db.stripe.set_slow(Duration::from_secs(1));
        for number in 0..50 {
            db.stripe.put(&customer(&format!("cus_{number}")));
        }
        let script = script(&mut rng, first);
        let mut truth = BTreeMap::new();
        for (_, step) in &script {
            match step {
                Step::Change(object) => {
                    let id = object["id"].as_str().unwrap().to_owned();
                    truth.insert(id, object["status"].as_str().unwrap().to_owned());
                }
                Step::List(_) => events += 1,
                Step::Deliver(_) | Step::Drain => {}
            }
        }
        play(&db, script).await;
        run(&db, NewJob::of("default", &PollEvents::default()).unwrap()).await;
        fetched += db.stripe.calls().len();
        let left = diff(&db.env, "default").await.unwrap().drift;
        repaired += left.len();
        // What was announced is here before anything is repaired.
        for one in &left {
            let known = db.count(&format!("stripe_events WHERE object_id = '{}'", one.id)).await;
            let made = db.stripe.changes(&one.id);
            assert!(known < made, "{one:?} had all of its {made} events: {engine:?}");
        }
        run(&db, NewJob::of("default", &ReconcileObjects::default()).unwrap()).await;
        let comparison = diff(&db.env, "default").await.unwrap();
        assert_eq!(comparison.drift, [], "{engine:?}");
        assert_eq!(comparison.compared["subscription"], u64::try_from(AT_ONCE).unwrap());
        let rows: Vec<(String, String)> = db.rows(STATUS, &[]).await;
        assert_eq!(rows, truth.into_iter().collect::<Vec<_>>(), "{engine:?}");
        assert_eq!(db.count("stripe_events WHERE state <> 'applied'").await, 0);
    }
    println!("{engine:?}: {count} lives, {events} events, {fetched} requests, {repaired} repaired");
}

fn wanted() -> usize {
    std::env::var_os("MEMBERD_LIVES")
        .map_or(LIVES, |wanted| wanted.to_str().unwrap().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_lives_end_where_stripe_ends_on_sqlite() {
    lives(Engine::Sqlite, wanted()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_lives_end_where_stripe_ends_on_postgres() {
    lives(Engine::Postgres, wanted()).await;
}
