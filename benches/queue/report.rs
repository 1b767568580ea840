//! The table and the picture.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use memberd::picture::{Bar, Picture};
use serde_json::Value;

use crate::{
    Figures,
    page::{machine, median},
};

/// A goal: case, its words, the wanted figures on PostgreSQL and on SQLite, and whether less is better.
const GOALS: [(&str, &str, f64, Option<f64>, bool); 7] = [
    ("run-best", "jobs/s with 1,000 slots", 65_000.0, None, false),
    (
        "run-default",
        "jobs/s with 100 slots",
        30_000.0,
        Some(50_000.0),
        false,
    ),
    (
        "enqueue-b5000",
        "enqueued/s, 5,000 in a transaction",
        110_000.0,
        Some(200_000.0),
        false,
    ),
    (
        "enqueue-b1",
        "enqueued/s, one in a transaction, one connection",
        1_200.0,
        Some(2_000.0),
        false,
    ),
    (
        "latency-p50",
        "ms from enqueuing to the start, p50",
        1.5,
        Some(0.6),
        true,
    ),
    (
        "latency-p99",
        "ms from enqueuing to the start, p99",
        4.0,
        Some(4.0),
        true,
    ),
    ("idle", "% of a core at rest", 0.5, Some(0.5), true),
];

/// What is left of the speed of an empty table, at least.
const SHARE_MIN: f64 = 0.85;
/// The goal with 1,000 slots: so many times the speed of graphile-worker with its best settings, in the same session.
const BEST_PEER: (&str, f64) = ("gw-run-best-p1", 1.25);
const REACHED: &str = "reached";
const MISSED: &str = "**missed**";

/// What `benches/stock/run.sh` saw; it is not measured again with the figures.
const STOCK: &str = "
## Where the stock backends of apalis fail

memberd runs on apalis' workers, but not on its SQL backends. Seen with apalis-postgres and apalis-sqlite 1.0.0 on
2026-11-21 by `benches/stock/run.sh`, a small program of its own that anybody can run again; the last column is the test
of memberd's backend for the same case, on both databases.

| | apalis-postgres | apalis-sqlite | memberd |
|---|---|---|---|
| kill -9 of a process with 20 running jobs, fetched 200 at a time | 160 of 1,000 finished twice | 140 of 1,000 finished twice | exactly those that ran, of jobs that end together with their work: `two_queues_killed_in_turn_on_postgres` |
| a job whose timeout has passed | `Running` for ever | `Running` for ever | tried again: `a_panic_and_a_timeout_end_that_job_alone` |
| one row of ten that cannot be read | the worker ends, the other nine do not run | the same | that one ends: `what_cannot_be_read_or_is_unknown_harms_nobody_else` |
| a job that fails each time | 25 attempts in 0.2 s, then dead | 25 attempts in 0.1 s, then dead | growing pauses: `a_failing_job_waits_longer_each_time_and_is_discarded_at_last` |

[What the queue promises](../guarantees.md) has the tests of all eleven cases.
";

fn best_peer(peers: &[(String, f64)]) -> Option<f64> {
    let (name, times) = BEST_PEER;
    let (_, rate) = peers.iter().find(|(peer, _)| peer == name)?;
    Some(rate * times)
}

/// The results of other queues: case and jobs a second.
pub(crate) fn peers(file: &str) -> Vec<(String, f64)> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut rates: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for line in text.lines() {
        let result: Value = serde_json::from_str(line).unwrap_or_default();
        let name = result["name"].as_str().unwrap_or_default();
        if let Some(rate) = result["jobs_s"]
            .as_f64()
            .filter(|_| name.contains("-run-") || name.starts_with("limit-hot"))
        {
            rates.entry(name.to_owned()).or_default().push(rate);
        }
    }
    let mut all: Vec<_> = rates
        .into_iter()
        .map(|(name, rates)| (name, median(&rates)))
        .collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all
}

/// The whole page.
pub(crate) fn markdown(
    rounds: usize,
    folder: &Path,
    postgres: &Figures,
    sqlite: &Figures,
    peers: &[(String, f64)],
) -> String {
    let mut text = String::from("# The queue: jobs that do nothing, as fast as it goes\n\n");
    let _ = writeln!(
        text,
        "Written by `./dev bench queue`; do not edit. Medians of {rounds} rounds on {}. Each figure is a process of its \
         own on a fresh database: the daemon's queue with all its lanes, leases, metrics and log, without API and \
         schedules. PostgreSQL has its defaults (`fsync` and `synchronous_commit` on), SQLite `synchronous = FULL`. What only \
         claims is not waited for until it is on disk (decision 0016). A run \
         ends when the last end is committed. Server, client and everything else share the machine.\n",
        machine(folder)
    );
    text.push_str("| | PostgreSQL | goal | | SQLite | goal | |\n|---|--:|--:|---|--:|--:|---|\n");
    for (case, name, of_postgres, of_sqlite, less) in GOALS {
        let mut line = format!("| {name} ");
        let of_postgres = best_peer(peers)
            .filter(|_| case == "run-best")
            .unwrap_or(of_postgres);
        for (figures, goal) in [(postgres, Some(of_postgres)), (sqlite, of_sqlite)] {
            let figure = median(&figures[case]);
            let (goal, word) = match goal {
                Some(goal) if (figure <= goal) == less => (number(goal), REACHED),
                Some(goal) => (number(goal), MISSED),
                None => (String::new(), ""),
            };
            let _ = write!(line, "| {} | {goal} | {word} ", number(figure));
        }
        let _ = writeln!(text, "{line}|");
    }
    text.push_str(
        "\n| 100 slots, against the empty table (goal: 0.85) | PostgreSQL | | SQLite | |\n|---|--:|---|--:|---|\n",
    );
    for (case, name) in [
        ("run-history", "with 1,000,000 finished jobs"),
        ("run-backlog", "with 1,000,000 waiting jobs"),
    ] {
        let mut line = format!("| {name} ");
        for figures in [postgres, sqlite] {
            let share = median(&figures[case]) / median(&figures["run-default"]);
            let word = if share >= SHARE_MIN { REACHED } else { MISSED };
            let _ = write!(line, "| {share:.2} | {word} ");
        }
        let _ = writeln!(text, "{line}|");
    }
    text.push_str("\n![Jobs a second](queue.svg)\n");
    if !peers.is_empty() {
        text.push_str("\nOthers in the same session on the same machine (PostgreSQL), by `peer-queues.sh` of the lab:\n\n\
                       | | jobs/s | ours with 1,000 slots is |\n|---|--:|--:|\n");
        let ours = median(&postgres["run-best"]);
        for (name, rate) in peers {
            let _ = writeln!(text, "| {name} | {} | {:.2}× |", number(*rate), ours / rate);
        }
    }
    text.push_str(STOCK);
    text
}

fn number(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A bar for each queue.
pub(crate) fn svg(postgres: &Figures, sqlite: &Figures, peers: &[(String, f64)]) -> String {
    let bar = |name: &str, rate: f64, strong| Bar {
        name: name.to_owned(),
        value: rate,
        shown: number(rate),
        strong,
    };
    let ours = [
        ("memberd, PostgreSQL, 1,000 slots", postgres, "run-best"),
        ("memberd, PostgreSQL, 100 slots", postgres, "run-default"),
        ("memberd, SQLite, 1,000 slots", sqlite, "run-best"),
        ("memberd, SQLite, 100 slots", sqlite, "run-default"),
    ];
    let ours = ours.map(|(name, figures, case)| bar(name, median(&figures[case]), true));
    let others = peers.iter().map(|(name, rate)| bar(name, *rate, false));
    let bars: Vec<_> = ours.into_iter().chain(others).collect();
    let mut picture = Picture::new();
    picture.heading("Jobs a second (no-op jobs, durable commits)");
    picture.bars(&bars);
    picture.finish()
}
