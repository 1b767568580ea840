//! How quickly webhooks are answered and take effect, and what the daemon costs when nothing happens.
//!
//! A release daemon on SQLite with durable commits, on a disk; the sandbox and the load run on the same machine.
//! `./dev bench webhooks` prints a table and writes `docs/benchmarks/webhooks.md` and `.svg`. Numbers are medians of
//! the rounds. `./dev bench webhooks -- --quick` makes one short round and writes nothing.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that cannot be made ends"
)]

mod events;
mod figures;
#[path = "../load.rs"]
mod load;
#[path = "../page.rs"]
mod page;
mod probe;
mod report;
mod usage;

#[path = "../../tests/support/mod.rs"]
#[expect(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "the tests need more of it"
)]
mod support;

use std::{path::Path, time::Duration};

use serde_json::json;

use self::{
    figures::{Idle, Row, Setup},
    load::Pace,
};
use crate::support::{Daemon, Node, World};

/// Rounds; the medians of their figures are shown.
const ROUNDS: usize = 3;
/// How long one load lasts.
const LOAD: Duration = Duration::from_secs(20);
/// How long the daemon is watched while nothing happens.
const IDLE: Duration = Duration::from_mins(1);
/// Connections of the load without a pace.
const CONNECTIONS: usize = 16;
/// The loads, in events a second; 0 is as many as it takes.
const PACES: [u32; 4] = [200, 500, 1_000, 0];
/// Members before the first event.
const MEMBERS: u64 = 500;

fn main() {
    let quick = std::env::args_os().any(|arg| arg == "--quick");
    let setup = if quick {
        Setup {
            rounds: 1,
            load: Duration::from_secs(3),
            idle: Duration::from_secs(5),
        }
    } else {
        Setup {
            rounds: ROUNDS,
            load: LOAD,
            idle: IDLE,
        }
    };
    // The build folder is on a disk; a temporary folder may be in memory, where commits cost nothing.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let runtime = page::runtime(folder);
    let (idle, rows) = runtime.block_on(measure(&setup));
    let text = report::markdown(&setup, folder, &idle, &rows);
    println!("{text}");
    if !quick {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/benchmarks");
        std::fs::create_dir_all(&docs).unwrap();
        std::fs::write(docs.join("webhooks.md"), text).unwrap();
        std::fs::write(docs.join("webhooks.svg"), report::svg(&rows)).unwrap();
    }
}

async fn measure(setup: &Setup) -> (Idle, Vec<Row>) {
    let mut idle = Vec::new();
    let mut rows: Vec<Vec<Row>> = vec![Vec::new(); PACES.len()];
    for round in 1..=setup.rounds {
        for (at, per_second) in PACES.into_iter().enumerate() {
            let (row, rest) = one(setup, per_second).await;
            println!("round {round}: {row}");
            rows[at].push(row);
            if let Some(rest) = rest {
                println!("round {round}: {rest}");
                idle.push(rest);
            }
        }
    }
    (
        Idle::median(&idle),
        rows.iter().map(|rows| Row::median(rows)).collect(),
    )
}

/// One load against a fresh daemon with a fresh file. After the load that the goal is about, also the rest.
async fn one(setup: &Setup, per_second: u32) -> (Row, Option<Idle>) {
    let world = World::sqlite().await;
    // What the log costs is the production's: no line for each webhook.
    let mut node = Node::default().set("log.filter", "info");
    if per_second != PACES[0] {
        // The larger loads leave most of their events unsent; a poll that fell among them would fetch those for minutes.
        node = node.roles("api,worker");
    }
    let mut daemon = Daemon::prepare(&world, node);
    daemon.up().await;
    // The events exist before the load begins; the load sends them, so the sandbox sends none itself.
    world
        .inspect("/stripe/world", &json!({"members": MEMBERS, "seed": 1}))
        .await;
    let pace = Pace {
        per_second,
        connections: CONNECTIONS,
        time: setup.load,
    };
    let wanted = events::at_most(&pace);
    world
        .inspect(
            "/stripe/scenario",
            &json!({"name": "busy_day", "events": wanted, "seed": 1}),
        )
        .await;
    let events = events::last(&world, wanted).await;
    let probes = probe::customers(&world, setup.load).await;

    let before = usage::now(daemon.pid());
    let (answers, effects) = tokio::join!(
        events::send(&daemon, &pace, events),
        probe::run(&world, &daemon, probes),
    );
    let spent = usage::now(daemon.pid()).since(&before);
    // The load sent a part of the events only, so the mirror is not the truth; but no job may be left.
    world.idle().await;
    let row = Row::of(per_second, &answers, &effects, &spent);
    let rest = if per_second == PACES[0] {
        settle(&world, &daemon).await;
        Some(usage::idle(&world, &daemon, setup.idle).await)
    } else {
        None
    };
    daemon.stop();
    (row, rest)
}

/// Lets the daemon find by itself what the load did not send, as it does every few minutes: that is work, not rest.
async fn settle(world: &World, daemon: &Daemon) {
    daemon.post("/v1/schedules/sync.poll_events/run").await;
    world.idle().await;
}
