//! How many members a second the API shows, one request each, and how long each takes.
//!
//! A release daemon with durable commits, and with limits of keys on: they are set so high that they refuse nothing, but
//! each request is counted. The load runs on the same machine. `./dev bench reads` prints a table and writes
//! `docs/benchmarks/reads.md`; `./dev bench reads -- --quick` makes one short round and writes nothing.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that cannot be made ends"
)]

#[path = "../load.rs"]
mod load;
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

use std::{fmt::Write as _, path::Path, time::Duration};

use memberd_jobs::testing::Engine;
use reqwest::Method;
use serde_json::json;

use self::{
    load::{Answers, Pace, answered},
    page::{machine, median, percentile},
};
use crate::support::{Daemon, Node, World};

/// Rounds; the medians of their figures are shown.
const ROUNDS: usize = 3;
/// How long one load lasts.
const LOAD: Duration = Duration::from_secs(20);
/// The same in a quick round.
const QUICK_LOAD: Duration = Duration::from_secs(4);
/// Connections of the load without a pace.
const CONNECTIONS: usize = 16;
/// The loads, in requests a second: what issue 5 asks for, and 0, as many as it takes.
const PACES: [u32; 2] = [2_000, 0];
/// No daemon answers more requests a second than this.
const FASTEST: u32 = 50_000;
/// Members, most of them with a subscription.
const MEMBERS: usize = 2_000;
/// Members on a page.
const PAGE: usize = 100;
/// Milliseconds within which issue 5 asks for 99 of 100 answers at that pace, on SQLite.
const GOAL: u32 = 20;

/// The figures of one load; times in milliseconds.
#[derive(Clone, Copy)]
struct Row {
    rate: f64,
    p50: f64,
    p99: f64,
    failed: usize,
}

impl Row {
    fn of(answers: &Answers) -> Self {
        let mut times: Vec<f64> = answers
            .times
            .iter()
            .map(|time| time.as_secs_f64() * 1_000.0)
            .collect();
        assert!(
            !times.is_empty(),
            "no request of {} succeeded",
            answers.failed
        );
        times.sort_by(f64::total_cmp);
        let count = f64::from(u32::try_from(times.len()).unwrap());
        Self {
            rate: count / answers.took.as_secs_f64(),
            p50: percentile(&times, 50),
            p99: percentile(&times, 99),
            failed: answers.failed,
        }
    }

    fn median(rows: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(&rows.iter().map(figure).collect::<Vec<_>>());
        Self {
            rate: of(|row| row.rate),
            p50: of(|row| row.p50),
            p99: of(|row| row.p99),
            failed: rows.iter().map(|row| row.failed).sum(),
        }
    }
}

fn main() {
    let quick = std::env::args_os().any(|arg| arg == "--quick");
    let (rounds, time) = if quick {
        (1, QUICK_LOAD)
    } else {
        (ROUNDS, LOAD)
    };
    // On a disk, and open to PostgreSQL's user, which may not be root.
    let folder = Path::new("/var/tmp");
    let runtime = page::runtime(folder);
    let mut text = format!(
        "# Reads: members a second\n\n\
         Written by `./dev bench reads`; do not edit. Medians of {rounds} rounds of {} s on {}.\n\n\
         `GET /v1/members/{{id}}` for one of {MEMBERS} members after another, far from each other, with her entitlements, by a key whose limits are \
         counted. A release build of the daemon; the load shares the machine. At a pace, times count from the moment at which \
         a request should have been sent. Issue 5 asks for {} a second on SQLite, 99 of 100 within {GOAL} ms.\n\n\
         | database | asked for | answers/s | half within | 99 of 100 within | failed |\n|---|--:|--:|--:|--:|--:|\n",
        time.as_secs(),
        machine(folder),
        PACES[0],
    );
    for (engine, name) in [(Engine::Sqlite, "SQLite"), (Engine::Postgres, "PostgreSQL")] {
        let mut rows = vec![Vec::new(); PACES.len()];
        for round in 1..=rounds {
            for (at, row) in runtime.block_on(one(engine, time)).into_iter().enumerate() {
                let Row {
                    rate,
                    p50,
                    p99,
                    failed,
                } = row;
                println!(
                    "round {round}: {name}, {rate:.0}/s, {p50:.2} and {p99:.2} ms, {failed} failed"
                );
                rows[at].push(row);
            }
        }
        for (per_second, rows) in PACES.into_iter().zip(rows) {
            let Row {
                rate,
                p50,
                p99,
                failed,
            } = Row::median(&rows);
            let asked = match per_second {
                0 => format!("as many as it takes, {CONNECTIONS} connections"),
                per_second => format!("{per_second}/s"),
            };
            let _ = writeln!(
                text,
                "| {name} | {asked} | {rate:.0} | {p50:.2} ms | {p99:.2} ms | {failed} |"
            );
        }
    }
    println!("{text}");
    if !quick {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/benchmarks");
        std::fs::write(docs.join("reads.md"), text).unwrap();
    }
}

/// All loads against a fresh daemon.
async fn one(engine: Engine, time: Duration) -> Vec<Row> {
    let world = World::new(engine).await;
    let counted = ["reads", "writes", "requests"]
        .iter()
        .fold(Node::default().set("log.filter", "info"), |node, limit| {
            node.set(&format!("limits.{limit}_per_minute"), "10000000")
        });
    let mut daemon = world.daemon_with(counted).await;
    world
        .inspect("/stripe/world", &json!({"members": MEMBERS, "seed": 1}))
        .await;
    world.idle().await;
    let made = json!({"name": "reads", "scopes": ["members:read"]});
    let made = daemon.write(Method::POST, "/v1/keys", &made, "reads").await;
    let key = made.ok()["secret"].as_str().unwrap().to_owned();
    let ids = members(&daemon).await;
    let mut rows = Vec::new();
    for per_second in PACES {
        let pace = Pace {
            per_second,
            connections: CONNECTIONS,
            time,
        };
        let most = if per_second == 0 { FASTEST } else { per_second };
        let requests = usize::try_from(u64::from(most) * time.as_secs()).unwrap();
        rows.push(Row::of(&show(&daemon, &key, &ids, &pace, requests).await));
    }
    daemon.stop();
    rows
}

async fn members(daemon: &Daemon) -> Vec<String> {
    let (mut ids, mut after) = (Vec::new(), String::new());
    loop {
        let page = daemon
            .get(&format!("/v1/members?limit={PAGE}{after}"))
            .await;
        let data = page["data"].as_array().unwrap();
        ids.extend(
            data.iter()
                .map(|one| one["id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next_cursor"].as_str() else {
            assert!(ids.len() >= MEMBERS, "only {} members", ids.len());
            return ids;
        };
        after = format!("&cursor={next}");
    }
}

async fn show(daemon: &Daemon, key: &str, ids: &[String], pace: &Pace, requests: usize) -> Answers {
    /// A prime, so that neighbouring requests ask for members far from each other.
    const STRIDE: usize = 7_919;
    let (http, key) = (daemon.http.clone(), key.to_owned());
    let urls: Vec<_> = ids
        .iter()
        .map(|id| daemon.url(&format!("/v1/members/{id}")))
        .collect();
    load::run(pace, requests, move |number| {
        let url = &urls[number.wrapping_mul(STRIDE) % urls.len()];
        answered(http.get(url).bearer_auth(&key))
    })
    .await
}
