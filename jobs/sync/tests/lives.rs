//! Random lives of subscriptions and their invoices, told in any order, twice, late or never. Whether a member may come
//! in is in the end what Stripe's own objects say by the policy in plain words, now and at any later moment.

use std::{collections::BTreeMap, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

use super::{customer, invoice, product, receive, registry, subscription};
use crate::{
    entitlements::{ApplyChanges, access::access, store::of_members},
    kernel::{Timestamp, db::Sql, outbox::NewJob},
    members::store::resolve,
    sync::{PollEvents, ReconcileObjects, diff},
    testing::{Engine, TestDb},
};

const CUSTOMERS: usize = 12;
const SUBSCRIPTIONS: usize = 20;
/// Changes between two comparisons, and how often it is compared.
const CHANGES: usize = 120;
const ROUNDS: usize = 4;
const HOUR: i64 = 3_600_000;
const STATUSES: [&str; 14] = [
    "active", "active", "active", "trialing", "past_due", "past_due", "past_due", "past_due", "unpaid", "paused",
    "canceled", "incomplete", "incomplete_expired", "a_word_of_next_year",
];

/// What is true at Stripe.
#[derive(Clone, Default)]
struct Truth {
    subscriptions: BTreeMap<String, Value>,
    invoices: BTreeMap<String, Value>,
    /// Events that have not come yet.
    late: Vec<Value>,
    events: usize,
}

/// A Unix second some days from now, or nothing.
fn around(rng: &mut StdRng, now: i64) -> Value {
    if rng.random_bool(0.4) { json!(null) } else { json!(now + rng.random_range(-2 * 86_400..8 * 86_400)) }
}

fn change_subscription(rng: &mut StdRng, sub: &mut Value, now: i64) {
    match rng.random_range(0..6) {
        0 | 1 => sub["status"] = json!(STATUSES.choose(rng).unwrap()),
        2 => {
            let behavior = ["keep_as_draft", "void", "mark_uncollectible"].choose(rng).unwrap();
            let pause = json!({ "behavior": behavior, "resumes_at": around(rng, now) });
            sub["pause_collection"] = if rng.random_bool(0.6) { pause } else { json!(null) };
        }
        3 => sub["cancel_at"] = around(rng, now),
        4 => sub["cancel_at_period_end"] = json!(rng.random_bool(0.4)),
        _ => sub["trial_end"] = around(rng, now),
    }
    if rng.random_bool(0.3) {
        let start = now - rng.random_range(0..6 * 86_400);
        sub["items"]["data"][0]["current_period_start"] = json!(start);
        sub["items"]["data"][0]["current_period_end"] = json!(start + rng.random_range(86_400..9 * 86_400));
    }
    sub["ended_at"] = if sub["status"] == "canceled" { json!(now) } else { json!(null) };
}

impl Truth {
    /// Something changes at Stripe; answers the object.
    fn change(&mut self, rng: &mut StdRng, now: i64) -> Value {
        let number = rng.random_range(0..SUBSCRIPTIONS);
        let (id, customer) = (format!("sub_{number}"), format!("cus_{}", number % CUSTOMERS));
        let new = || subscription(&id, &customer, &format!("prod_{}", number % 3), "active");
        if rng.random_bool(0.5) || !self.subscriptions.contains_key(&id) {
            let sub = self.subscriptions.entry(id.clone()).or_insert_with(new);
            change_subscription(rng, sub, now);
            return sub.clone();
        }
        let bill = format!("in_{number}_{}", rng.random_range(0..2));
        let status = ["open", "open", "open", "paid", "void", "draft"].choose(rng).unwrap();
        let one = self.invoices.entry(bill.clone()).or_insert_with(|| {
            let mut one = invoice(&bill, &customer, &id, "draft");
            one["created"] = json!(now - rng.random_range(0..5 * 86_400));
            one
        });
        one["status"] = json!(status);
        one["amount_remaining"] = json!(if *status == "open" { 999 } else { 0 });
        one["due_date"] = if rng.random_bool(0.3) { json!(now + rng.random_range(0..86_400)) } else { json!(null) };
        one.clone()
    }

    /// Whether a subscription lets her in, in plain words.
    fn lets_in(&self, sub: &Value, at: i64) -> bool {
        let time = |path: &str| sub.pointer(path).and_then(Value::as_i64).map(|second| second * 1_000);
        let over = |end: Option<i64>| end.is_some_and(|end| end <= at);
        let begun = time("/items/data/0/current_period_start").unwrap();
        let at_period_end = sub["cancel_at_period_end"] == true;
        let planned = time("/cancel_at")
            .or_else(|| time("/items/data/0/current_period_end").filter(|_| at_period_end));
        let trial_is_over = sub["status"] == "trialing"
            && planned.is_none()
            && over(time("/trial_end").map(|end| end + HOUR));
        let unpaused = !over(planned) && !trial_is_over;
        match sub["status"].as_str().unwrap() {
            "active" | "trialing" => match sub.pointer("/pause_collection/behavior").and_then(Value::as_str) {
                None | Some("keep_as_draft") => unpaused,
                Some(_) => at < begun || (over(time("/pause_collection/resumes_at")) && unpaused),
            },
            "past_due" => !over(planned) && at < self.unpaid_since(sub).unwrap_or(begun) + 7 * 24 * HOUR,
            "unpaid" => at < begun,
            "paused" => !over(Some(time("/trial_end").unwrap_or(begun))),
            "canceled" => !over(Some(time("/ended_at").unwrap_or(begun))),
            _ => false,
        }
    }

    fn unpaid_since(&self, sub: &Value) -> Option<i64> {
        let of = |one: &&Value| {
            one.pointer("/parent/subscription_details/subscription") == Some(&sub["id"]) && one["status"] == "open"
        };
        let due = |one: &Value| one["due_date"].as_i64().or(one["created"].as_i64());
        self.invoices.values().filter(of).filter_map(due).min().map(|second| second * 1_000)
    }

    /// Whether a customer may use a product.
    fn allows(&self, customer: &str, product: &str, at: i64) -> bool {
        let hers = self.subscriptions.values().filter(|sub| sub["customer"] == customer);
        hers.filter(|sub| sub.pointer("/items/data/0/price/product") == Some(&json!(product)))
            .any(|sub| self.lets_in(sub, at))
    }

    /// Tells of a change: at once, twice, after others, by the poll only, or never.
    async fn tell(&mut self, db: &TestDb, rng: &mut StdRng, object: &Value) {
        self.events += 1;
        let kind = if object["object"] == "invoice" { "invoice.updated" } else { "customer.subscription.updated" };
        let event = json!({ "id": format!("evt_{}", self.events), "object": "event", "type": kind,
            "created": db.now().seconds(), "livemode": false, "api_version": "2026-09-30.endive",
            "data": { "object": object } });
        db.stripe.put(object);
        let luck = rng.random_range(0..10);
        if luck > 0 {
            db.stripe.put_event(&event);
        }
        match luck {
            0 | 1 => {}
            2..=3 => self.late.push(event),
            4 => {
                receive(db, &event).await;
                self.late.push(event);
            }
            _ => {
                receive(db, &event).await;
            }
        }
    }
}

async fn run(db: &TestDb, job: NewJob) {
    db.enqueue(job).await;
    for _ in 0..4 {
        db.drain(&registry()).await;
        db.advance(Duration::from_secs(2));
    }
}

const PRODUCTS: Sql = Sql::both("SELECT id, products FROM members ORDER BY id");

/// Asks for everybody and everything; also what is written down beside the members. Answers how often the answer was
/// no, how often yes, and how often an invoice decided it.
async fn compare(db: &TestDb, truth: &Truth, moment: &str) -> [usize; 3] {
    let mut answers = [0, 0, 0];
    let mut unbilled = truth.clone();
    unbilled.invoices.clear();
    let written: BTreeMap<String, String> = db.rows::<(String, String)>(PRODUCTS, &[]).await.into_iter().collect();
    for number in 0..CUSTOMERS {
        let id = format!("cus_{number}");
        let member = resolve(&db.db, "default", &format!("ext:stripe:{id}")).await.unwrap().unwrap();
        let rows = of_members(&db.db, "default", std::slice::from_ref(&member)).await.unwrap();
        let held: Vec<String> = serde_json::from_str(&written[&member]).unwrap();
        for product in ["prod_0", "prod_1", "prod_2"] {
            let expected = truth.allows(&id, product, db.now().0);
            let answer = access(rows.clone(), Some(product), false, db.now());
            let hers: Vec<_> = truth.subscriptions.values().filter(|sub| sub["customer"] == json!(id)).collect();
            assert_eq!(answer.allowed, expected, "{moment}: {id} {product} at {}: {hers:#?}", Timestamp(db.now().0));
            assert_eq!(held.iter().any(|one| one == product), expected, "{moment}: written of {id} {product}");
            answers[usize::from(expected)] += 1;
            answers[2] += usize::from(unbilled.allows(&id, product, db.now().0) != expected);
        }
    }
    answers
}

/// Answers like [`compare`], over the whole life.
async fn lives(engine: Engine, seed: u64) -> [usize; 3] {
    let mut rng = StdRng::seed_from_u64(seed);
    let db = TestDb::new(engine).await;
    let mut truth = Truth::default();
    for number in 0..3 {
        db.stripe.put(&product(&format!("prod_{number}"), false));
    }
    for number in 0..CUSTOMERS {
        db.stripe.put(&customer(&format!("cus_{number}")));
    }
    let mut asked = [0, 0, 0];
    for round in 0..ROUNDS {
        for _ in 0..CHANGES {
            let object = truth.change(&mut rng, db.now().seconds());
            truth.tell(&db, &mut rng, &object).await;
            match rng.random_range(0..8) {
                0..3 => {}
                3 | 4 => db.advance(Duration::from_millis(rng.random_range(1..2_000))),
                5 => db.advance(Duration::from_secs(rng.random_range(60..86_400))),
                6 if !truth.late.is_empty() => {
                    let at = rng.random_range(0..truth.late.len());
                    let event = truth.late.swap_remove(at);
                    receive(&db, &event).await;
                }
                _ => {
                    db.drain(&registry()).await;
                }
            }
        }
        // A reconciliation mends what was lost for ever; what is late comes after it and changes nothing.
        run(&db, NewJob::of("default", &PollEvents::default()).unwrap()).await;
        run(&db, NewJob::of("default", &ReconcileObjects::default()).unwrap()).await;
        for event in std::mem::take(&mut truth.late) {
            receive(&db, &event).await;
        }
        run(&db, NewJob::of("default", &PollEvents::default()).unwrap()).await;
        assert_eq!(diff(&db.env, "default").await.unwrap().drift, [], "{engine:?} {round}");
        // From here on nothing is told; only the clock goes on.
        for hour in [0, 1, 23, 24, 72] {
            db.advance(Duration::from_hours(hour));
            db.enqueue(NewJob::of("default", &ApplyChanges {}).unwrap()).await;
            db.drain(&registry()).await;
            let answers = compare(&db, &truth, &format!("{engine:?} {round} {hour}")).await;
            asked = std::array::from_fn(|at| asked[at] + answers[at]);
        }
    }
    asked
}

async fn many(engine: Engine) {
    let mut asked = [0, 0, 0];
    for seed in 0..3 {
        let one = lives(engine, seed).await;
        asked = std::array::from_fn(|at| asked[at] + one[at]);
    }
    assert!(asked[0] > 300 && asked[1] > 100 && asked[2] > 10, "the lives are too much alike: {asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_come_in_is_what_stripes_objects_say_on_sqlite() {
    many(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_come_in_is_what_stripes_objects_say_on_postgres() {
    many(Engine::Postgres).await;
}
