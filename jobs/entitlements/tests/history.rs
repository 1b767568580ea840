//! Over any history what is written down equals what is worked out from scratch, at every moment.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use super::{
    clock::{events, member, tick, told},
    item,
};
use crate::{
    entitlements::{
        ProductFacts, SubscriptionFacts,
        access::access,
        grants::{Granted, NewGrant, grant, revoke},
        model::Source,
        store::{GrantRow, of_members, upsert_tier},
    },
    kernel::{Timestamp, db::Sql},
    testing::{Engine, TestDb},
};

/// Members of one history.
const MEMBERS: usize = 6;
/// Steps of one history.
const STEPS: usize = 220;
const PRODUCTS: [(&str, i64); 3] = [("prod_a", 300), ("prod_b", 500), ("prod_c", 500)];
const DAY: i64 = 24 * 3_600_000;

/// A subscription with times relative to the moment at which it is told of.
#[derive(Clone, Debug)]
struct Told {
    number: usize,
    status: String,
    pause: Option<String>,
    resumes: Option<i64>,
    products: Vec<usize>,
    period: (i64, i64),
    cancel: Option<i64>,
    at_period_end: bool,
    ended: i64,
    trial: Option<i64>,
    unpaid: Option<i64>,
}

#[derive(Clone, Debug)]
enum Step {
    Tell(usize, Told),
    /// Member, product, from when and until when.
    Grant(usize, usize, i64, Option<i64>),
    /// Takes back the last grant of a member.
    Revoke(usize),
    Advance(i64),
    Tick,
}

/// What Stripe and people have said about one member.
#[derive(Clone, Debug, Default)]
struct Facts {
    subscriptions: BTreeMap<String, SubscriptionFacts>,
    grants: Vec<GrantRow>,
}

fn told_strategy() -> impl Strategy<Value = Told> {
    let status = "active|active|active|trialing|past_due|unpaid|paused|canceled|incomplete|odd";
    let pause = prop::option::weighted(0.3, "keep_as_draft|void|mark_uncollectible|odd");
    let ahead = || prop::option::weighted(0.4, -2 * DAY..12 * DAY);
    let shape = (0..2_usize, status, pause, prop::collection::vec(0..PRODUCTS.len(), 0..3));
    let times = (ahead(), -25 * DAY..0, 0..20 * DAY, ahead(), any::<bool>(), -5 * DAY..0);
    (shape, times, ahead(), prop::option::of(-9 * DAY..0)).prop_map(|(shape, times, trial, unpaid)| {
        let (number, status, pause, products) = shape;
        let (resumes, start, end, cancel, at_period_end, ended) = times;
        let period = (start, end);
        Told { number, status, pause, resumes, products, period, cancel, at_period_end, ended, trial, unpaid }
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..MEMBERS, told_strategy()).prop_map(|(member, told)| Step::Tell(member, told)),
        1 => (0..MEMBERS, 0..PRODUCTS.len(), -DAY..2 * DAY, prop::option::of(2 * DAY..6 * DAY))
            .prop_map(|(member, product, from, until)| Step::Grant(member, product, from, until)),
        1 => (0..MEMBERS).prop_map(Step::Revoke),
        2 => (1..3 * DAY).prop_map(Step::Advance),
        1 => (1..10_i64).prop_map(Step::Advance),
        2 => Just(Step::Tick),
    ]
}

impl Told {
    fn facts(&self, now: Timestamp) -> SubscriptionFacts {
        let at = |offset: i64| Timestamp(now.0 + offset);
        SubscriptionFacts {
            id: format!("sub_{}", self.number),
            status: self.status.clone(),
            started_at: at(-30 * DAY),
            period_start: Some(at(self.period.0)),
            period_end: Some(at(self.period.1)),
            cancel_at: self.cancel.map(at),
            cancel_at_period_end: self.at_period_end,
            ended_at: (self.status == "canceled").then(|| at(self.ended)),
            trial_end: self.trial.map(at),
            pause_behavior: self.pause.clone(),
            pause_resumes_at: self.resumes.map(at),
            unpaid_since: self.unpaid.map(at),
            items: self.products.iter().map(|at| item(PRODUCTS[*at].0, PRODUCTS[*at].1)).collect(),
        }
    }
}

/// The defaults of the policy in plain words: whether a subscription gives access at a moment, and whether it pauses.
fn says(sub: &SubscriptionFacts, at: Timestamp) -> (bool, bool) {
    let start = sub.period_start.unwrap();
    let end = match (sub.cancel_at, sub.cancel_at_period_end) {
        (Some(at), _) => at,
        (None, true) => sub.period_end.unwrap(),
        (None, false) => Timestamp(i64::MAX),
    };
    let late = sub.unpaid_since.unwrap_or(start).plus(Duration::from_hours(7 * 24));
    match (sub.status.as_str(), sub.pause_behavior.as_deref()) {
        ("trialing", None) if end == Timestamp(i64::MAX) => {
            (sub.trial_end.is_none_or(|end| at < end.plus(Duration::from_hours(1))), false)
        }
        ("active" | "trialing", None) => (at < end, false),
        ("active" | "trialing", Some(behavior)) => {
            let mut unpaused = sub.clone();
            unpaused.pause_behavior = None;
            let (as_usual, _) = says(&unpaused, at);
            let resumed = sub.pause_resumes_at.is_some_and(|from| from <= at);
            // What the pause itself leaves: everything, or what was before the present period.
            let left = if behavior == "keep_as_draft" { as_usual } else { at < start };
            (left || (resumed && as_usual), !resumed && as_usual)
        }
        ("past_due", _) => (at < late.min(end), false),
        ("unpaid", _) => (at < start, false),
        ("paused", _) => (at < sub.trial_end.unwrap_or(start), true),
        ("canceled", _) => (at < sub.ended_at.unwrap(), false),
        _ => (false, false),
    }
}

/// Status, tier and products from scratch.
type Stand = (&'static str, Option<String>, BTreeSet<String>);

fn stand(facts: &Facts, at: Timestamp) -> Stand {
    let (mut paying, mut paused, mut products) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut had = false;
    for grant in &facts.grants {
        let over = [grant.ends_at, grant.revoked_at].into_iter().flatten().any(|end| end <= at);
        if grant.starts_at <= at && !over {
            products.insert(grant.product_id.clone());
        }
    }
    for sub in facts.subscriptions.values().filter(|sub| !sub.items.is_empty()) {
        let (allowed, is_paused) = says(sub, at);
        had |= !["incomplete", "odd"].contains(&sub.status.as_str());
        for item in &sub.items {
            let tier = (item.monthly_amount, std::cmp::Reverse(item.product_id.clone()));
            if allowed {
                products.insert(item.product_id.clone());
            }
            if allowed && !is_paused {
                paying.push(tier);
            } else if is_paused {
                paused.push(tier);
            }
        }
    }
    let dearest = |tiers: Vec<(i64, std::cmp::Reverse<String>)>| tiers.into_iter().max().map(|tier| tier.1.0);
    match (paying.is_empty(), paused.is_empty()) {
        (false, _) => ("active", dearest(paying), products),
        (true, false) => ("paused", dearest(paused), products),
        (true, true) => (if had { "churned" } else { "none" }, None, products),
    }
}

fn amount(tier: Option<&String>) -> i64 {
    PRODUCTS.iter().find(|one| Some(one.0) == tier.map(String::as_str)).map_or(-1, |one| one.1)
}

/// The events that lead from one stand to the next.
fn told_outside(was: &Stand, is: &Stand) -> Vec<&'static str> {
    let paid = |stand: &Stand| ["active", "paused"].contains(&stand.0);
    let mut events = Vec::new();
    if paid(was) && !paid(is) {
        events.push("member_churned");
    }
    if is.0 == "active" && (!paid(was) || amount(is.1.as_ref()) > amount(was.1.as_ref())) {
        events.push("member_upgraded");
    }
    if was.2 != is.2 {
        events.push("access_changed");
    }
    events
}

async fn written(db: &TestDb) -> Vec<Stand> {
    let sql = Sql::both("SELECT status, tier_id, products FROM members ORDER BY id");
    let rows: Vec<(String, Option<String>, String)> = db.rows(sql, &[]).await;
    let word = |status: &str| *["none", "active", "paused", "churned"].iter().find(|word| **word == status).unwrap();
    rows.into_iter().map(|row| (word(&row.0), row.1, serde_json::from_str(&row.2).unwrap())).collect()
}

async fn know_products(db: &TestDb) {
    let mut tx = db.db.begin().await.unwrap();
    for (id, _) in PRODUCTS {
        let product = ProductFacts {
            id: id.to_owned(),
            name: id.to_owned(),
            description: None,
            active: true,
            is_default: false,
            benefits: Vec::new(),
        };
        upsert_tier(&mut tx, db, "default", &product).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn give(
    db: &TestDb,
    member: &str,
    product: &str,
    from: Timestamp,
    ends_at: Option<Timestamp>,
) -> GrantRow {
    let new = NewGrant {
        product_id: product.to_owned(),
        source: Source::Gift,
        external_reference: None,
        subscription_id: None,
        from_member_id: None,
        note: None,
        starts_at: Some(from),
        ends_at,
    };
    let mut tx = db.db.begin().await.unwrap();
    let granted = grant(&mut tx, db, "default", member, "test", &new).await.unwrap();
    tx.commit().await.unwrap();
    match granted {
        Ok(Granted::New(row)) => row,
        other => panic!("{other:?}"),
    }
}

async fn take_back(db: &TestDb, member: &str, id: &str) -> GrantRow {
    let mut tx = db.db.begin().await.unwrap();
    let row = revoke(&mut tx, db, "default", member, id, "test").await.unwrap().unwrap();
    tx.commit().await.unwrap();
    row
}

/// The question itself waits for nobody: it is answered right between two looks, too, and tells when it changes.
async fn questions(db: &TestDb, ids: &[String], facts: &[Facts], number: usize) {
    let rows = of_members(&db.db, "default", ids).await.unwrap();
    for row in rows.chunk_by(|a, b| a.member_id == b.member_id) {
        let at = ids.iter().position(|id| *id == row[0].member_id).unwrap();
        let may = stand(&facts[at], db.now()).2;
        for (product, _) in PRODUCTS {
            let answer = access(row.to_vec(), Some(product), false, db.now());
            assert_eq!(answer.allowed, may.contains(product), "step {number}: {:#?}", facts[at]);
            if let Some(next) = answer.next_change_at {
                let before = stand(&facts[at], Timestamp(next.0 - 1)).2.contains(product);
                let after = stand(&facts[at], next).2.contains(product);
                assert_eq!((before, after), (answer.allowed, !answer.allowed), "step {number}: {:#?}", facts[at]);
            }
        }
    }
}

async fn play(engine: Engine, steps: &[Step]) -> BTreeMap<String, usize> {
    let db = TestDb::new(engine).await;
    let mut ids = Vec::new();
    for _ in 0..MEMBERS {
        ids.push(member(&db).await);
    }
    know_products(&db).await;
    let mut facts: Vec<Facts> = vec![Facts::default(); MEMBERS];
    let mut stands: Vec<Stand> = vec![("none", None, BTreeSet::new()); MEMBERS];
    let mut expected: Vec<&'static str> = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let settled: Vec<usize> = match step {
            Step::Tell(at, told_of) => {
                let sub = told_of.facts(db.now());
                facts[*at].subscriptions.insert(sub.id.clone(), sub);
                let all: Vec<_> = facts[*at].subscriptions.values().cloned().collect();
                told(&db, &ids[*at], &all).await;
                vec![*at]
            }
            Step::Grant(at, product, from, until) => {
                let ends_at = until.map(|until| Timestamp(db.now().0 + until));
                let from = Timestamp(db.now().0 + from);
                facts[*at].grants.push(give(&db, &ids[*at], PRODUCTS[*product].0, from, ends_at).await);
                vec![*at]
            }
            Step::Revoke(at) => match facts[*at].grants.last_mut() {
                Some(grant) => {
                    *grant = take_back(&db, &ids[*at], &grant.id).await;
                    // One that was over already changes nothing, so nobody looked.
                    if grant.revoked_at == Some(db.now()) { vec![*at] } else { Vec::new() }
                }
                None => Vec::new(),
            },
            Step::Advance(time) => {
                db.advance(Duration::from_millis(u64::try_from(*time).unwrap()));
                Vec::new()
            }
            Step::Tick => {
                tick(&db).await;
                (0..MEMBERS).collect()
            }
        };
        let written = written(&db).await;
        for at in settled {
            let is = stand(&facts[at], db.now());
            assert_eq!(written[at], is, "step {number} of {steps:#?}, member {at}: {:#?}", facts[at]);
            expected.extend(told_outside(&stands[at], &is));
            stands[at] = is;
        }
        questions(&db, &ids, &facts, number).await;
    }
    let count = |kinds: Vec<String>| {
        kinds.into_iter().fold(BTreeMap::new(), |mut counts: BTreeMap<String, usize>, kind| {
            *counts.entry(kind).or_default() += 1;
            counts
        })
    };
    let told = count(events(&db).await);
    let told: BTreeMap<_, _> =
        told.into_iter().filter(|(kind, _)| !["access_granted", "access_revoked"].contains(&kind.as_str())).collect();
    assert_eq!(told, count(expected.into_iter().map(str::to_owned).collect()));
    assert_eq!(told.len(), 3, "{told:?}");
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_equals_what_is_worked_out_from_scratch_at_every_moment() {
    let mut runner = TestRunner::deterministic();
    for case in 0..8 {
        let steps = prop::collection::vec(step(), STEPS).new_tree(&mut runner).unwrap().current();
        let engine = if case % 2 == 0 { Engine::Sqlite } else { Engine::Postgres };
        play(engine, &steps).await;
    }
}
