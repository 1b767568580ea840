//! How many events a second are delivered to local receivers.
//!
//! A release daemon, on SQLite and on PostgreSQL with durable commits, on a disk; the receiver is in this program, on the
//! same machine. The events are there before, in a queue that is paused; the time runs from the end of the pause until the
//! last event is written down as delivered. `./dev bench deliveries` prints a table and writes
//! `docs/benchmarks/deliveries.md`; `./dev bench deliveries -- --quick` makes one short round and writes nothing.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that cannot be made ends"
)]

#[path = "../page.rs"]
mod page;
#[path = "../../tests/support/mod.rs"]
#[expect(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "the tests need more of it"
)]
mod support;

use std::{collections::BTreeSet, fmt::Write as _, path::Path, time::Instant};

use memberd_jobs::{
    kernel::events::{Event, emit_many},
    testing::Engine,
};
use reqwest::Method;
use serde_json::json;

use self::page::{machine, median};
use crate::support::{Daemon, Receiver, World, within, world::LONG_PATIENCE};

/// Rounds; the medians of their figures are shown.
const ROUNDS: usize = 3;
/// Events of a round.
const EVENTS: usize = 20_000;
/// The same in a quick round.
const QUICK_EVENTS: usize = 3_000;
/// Events told in one transaction.
const BATCH: usize = 1_000;
/// Endpoints that hear of each event.
const ENDPOINTS: [usize; 2] = [1, 4];
/// Deliveries a second that issue 5 asks for.
const GOAL: f64 = 1_000.0;

fn main() {
    let quick = std::env::args_os().any(|arg| arg == "--quick");
    let (rounds, events) = if quick {
        (1, QUICK_EVENTS)
    } else {
        (ROUNDS, EVENTS)
    };
    // On a disk, where commits cost something, and open to PostgreSQL's user, which may not be root.
    let folder = Path::new("/var/tmp");
    let runtime = page::runtime(folder);
    let mut text = format!(
        "# Webhooks out: deliveries a second\n\n\
         Written by `./dev bench deliveries`; do not edit. Medians of {rounds} rounds of {events} events on {}.\n\n\
         A release build of the daemon with durable commits; the receiver answers at once and shares the machine. The events \
         are there before, in a queue that is paused; the time runs from the end of the pause until the last answer is written down. \
         Issue 5 asks for {GOAL:.0} a second.\n\n\
         | database | endpoints | deliveries/s |\n|---|--:|--:|\n",
        machine(folder)
    );
    for (engine, name) in [(Engine::Sqlite, "SQLite"), (Engine::Postgres, "PostgreSQL")] {
        for endpoints in ENDPOINTS {
            let mut rates = Vec::new();
            for round in 1..=rounds {
                let rate = runtime.block_on(one(engine, endpoints, events / endpoints));
                println!("round {round}: {name}, {endpoints} endpoints, {rate:.0}/s");
                rates.push(rate);
            }
            let _ = writeln!(text, "| {name} | {endpoints} | {:.0} |", median(&rates));
        }
    }
    println!("{text}");
    if !quick {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/benchmarks");
        std::fs::write(docs.join("deliveries.md"), text).unwrap();
    }
}

/// Deliveries a second of one round, in a fresh database.
async fn one(engine: Engine, endpoints: usize, events: usize) -> f64 {
    let world = World::new(engine).await;
    let receiver = Receiver::start().await;
    // What the log costs is the production's.
    let mut daemon = Daemon::prepare(&world, Receiver::node().set("log.filter", "info"));
    daemon.up().await;
    for number in 0..endpoints {
        let body = json!({ "url": receiver.url(&format!("/{number}")) });
        let key = format!("make-{number}");
        daemon
            .write(Method::POST, "/v1/webhook-endpoints", &body, &key)
            .await
            .ok();
    }
    daemon.post("/v1/queues/webhooks/pause").await;
    tell(&world, events).await;
    let begun = Instant::now();
    daemon.post("/v1/queues/webhooks/resume").await;
    within(LONG_PATIENCE, "everything delivered", async || {
        let left = world
            .db
            .count("webhook_deliveries WHERE state = 'pending'")
            .await;
        (left == 0).then_some(())
    })
    .await;
    let rate = delivered(&receiver, endpoints, events) / begun.elapsed().as_secs_f64();
    daemon.stop();
    rate
}

async fn tell(world: &World, events: usize) {
    let event = Event {
        kind: "audience.access_granted",
        organization_id: "default".to_owned(),
        member_id: None,
        data: json!({ "grant_id": "grt_01JAAAAAAAAAAAAAAAAAAAAAAA", "product_id": "prod_1", "kind": "gift" }),
    };
    let env = &world.db.env;
    for batch in vec![event; events].chunks(BATCH) {
        let mut tx = env.db.begin().await.unwrap();
        emit_many(&mut tx, env, batch).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// How many were delivered, each once to each endpoint.
fn delivered(receiver: &Receiver, endpoints: usize, events: usize) -> f64 {
    let heard = receiver.take();
    let distinct: BTreeSet<_> = heard.iter().map(|one| (&one.path, &one.id)).collect();
    let wanted = endpoints * events;
    assert_eq!((heard.len(), distinct.len()), (wanted, wanted));
    f64::from(u32::try_from(wanted).unwrap())
}
