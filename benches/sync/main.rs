//! memberd's mirror of Stripe beside two other engines: webhooks as fast as they are answered, and a first fill.
//!
//! Every engine is a process of its own on a fresh database of one PostgreSQL with its defaults, `fsync` among them;
//! memberd also on SQLite. All are given the same events by the same load and ask the same fake Stripe. `./dev bench
//! sync` fetches the peers from npm, prints a table and writes `docs/benchmarks/stripe-sync.md` and `.svg`.
//! `./dev bench sync -- --quick` makes one round and writes nothing, `--alone` leaves the peers out.

// The objects of Stripe are large.
#![recursion_limit = "256"]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that cannot be made ends"
)]

mod engine;
mod load;
#[path = "../page.rs"]
mod page;
mod report;
mod world;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use memberd_jobs::{
    kernel::{Clock as _, SystemClock},
    testing::Server,
};

use self::{
    engine::{Engine, Running, SECRET, Site},
    page::percentile,
    report::{Figures, Load},
    world::Fake,
};

/// Rounds; the medians of their figures are shown.
const ROUNDS: usize = 3;
/// Members of the business; each has one subscription.
pub(crate) const MEMBERS: usize = 5_000;
/// Members whose subscriptions are renewed; each renewal is three events.
pub(crate) const RENEWED: usize = 2_000;
/// Connections of the load.
pub(crate) const CONNECTIONS: usize = 16;
/// Events are younger than what was listed before, in whole seconds of Stripe.
const LATER: Duration = Duration::from_secs(2);

/// PostgreSQL's own defaults, where the tests use others.
const DEFAULTS: [&str; 7] = [
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "autovacuum=on",
    "shared_buffers=128MB",
    "max_connections=100",
    "jit=on",
];

fn main() {
    let words: Vec<String> = std::env::args_os()
        .map(|word| word.into_string().unwrap())
        .collect();
    let is_there = |flag: &str| words.iter().any(|word| word == flag);
    let at = words
        .iter()
        .position(|word| word == "--peers")
        .expect("`./dev bench sync` gives --peers");
    let (quick, alone) = (is_there("--quick"), is_there("--alone"));
    let rounds = if quick { 1 } else { ROUNDS };
    let mut engines = vec![Engine::Memberd, Engine::MemberdOnSqlite];
    if !alone {
        engines.extend([Engine::Supabase, Engine::Stripe]);
    }
    // On a disk, where commits cost something, and open to PostgreSQL's user, which may not be root.
    let folder = Path::new("/var/tmp");
    rustls::crypto::ring::default_provider()
        .install_default()
        .unwrap();
    let runtime = page::runtime(folder);
    let peers = PathBuf::from(&words[at + 1]);
    let all = runtime.block_on(measure(rounds, &engines, peers));
    let text = report::markdown(rounds, folder, &all);
    println!("{text}");
    if !quick && !alone {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/benchmarks");
        std::fs::write(docs.join("stripe-sync.md"), text).unwrap();
        std::fs::write(docs.join("stripe-sync.svg"), report::svg(&all)).unwrap();
    }
}

/// The medians of each engine; round by round, so that what else the machine does falls on all of them.
async fn measure(rounds: usize, engines: &[Engine], peers: PathBuf) -> Vec<(Engine, Figures)> {
    let (fake, stripe) = Fake::serve(MEMBERS).await;
    let site = Site {
        server: Server::start_with(&DEFAULTS).await,
        peers,
        stripe,
        description: world::description().to_string(),
    };
    let mut all: Vec<(Engine, Vec<Figures>)> = engines.iter().map(|it| (*it, Vec::new())).collect();
    for round in 1..=rounds {
        for (engine, figures) in &mut all {
            let one = one(*engine, &site, &fake).await;
            println!("round {round}: {}: {one}", engine.name());
            figures.push(one);
        }
    }
    all.into_iter()
        .map(|(engine, rounds)| (engine, Figures::median(&rounds)))
        .collect()
}

/// Renewals into empty tables; then, in a new database, a fill and renewals of what it brought.
async fn one(engine: Engine, site: &Site, fake: &Fake) -> Figures {
    let empty = Running::start(engine, site).await;
    let first = renew(&empty).await;
    println!("  {} into empty tables: {first}", engine.name());
    drop(empty);
    let running = Running::start(engine, site).await;
    fake.asked();
    let fill = running.fill(i64::try_from(2 * MEMBERS).unwrap()).await;
    let (requests, by_path) = fake.asked();
    println!("  {} asked {by_path:?}", engine.name());
    tokio::time::sleep(LATER).await;
    let known = renew(&running).await;
    let requests = f64::from(u32::try_from(requests).unwrap());
    Figures {
        first,
        known,
        fill_seconds: fill.as_secs_f64(),
        requests,
        memory: running.memory(),
    }
}

async fn renew(running: &Running) -> Load {
    let now = SystemClock.now().seconds();
    let events = world::renewals(RENEWED, stripe_shared::version::VERSION.as_str(), now);
    let count = i64::try_from(events.len()).unwrap();
    let (cpu, begun) = (running.cpu(), Instant::now());
    let answers = load::send(&running.webhooks(), SECRET, events, CONNECTIONS, now).await;
    running.applied().await;
    let took = begun.elapsed();
    assert_eq!(
        running.renewed().await,
        count,
        "what was applied is not what was sent"
    );
    let count = f64::from(u32::try_from(count).unwrap());
    Load {
        accepted: count / answers.took.as_secs_f64(),
        applied: count / took.as_secs_f64(),
        p50: percentile(&answers.millis, 50),
        p99: percentile(&answers.millis, 99),
        cpu_millis: (running.cpu() - cpu) / count * 1_000.0,
    }
}
