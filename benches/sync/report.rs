//! The table and the picture.

use std::{fmt, fmt::Write as _, path::Path};

use memberd::picture::{Bar, Picture};

use crate::{
    CONNECTIONS, MEMBERS, RENEWED,
    engine::Engine,
    page::{machine, median},
};

/// The goal: so many times the accepted and applied webhooks of the fastest peer.
const TIMES: f64 = 2.0;

/// What came of a load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Events a second that were answered.
    pub(crate) accepted: f64,
    /// Events a second until the last was applied.
    pub(crate) applied: f64,
    /// Milliseconds.
    pub(crate) p50: f64,
    /// Milliseconds.
    pub(crate) p99: f64,
    /// CPU of the engine's process for one event, in milliseconds.
    pub(crate) cpu_millis: f64,
}

/// What was measured of an engine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// Into empty tables.
    pub(crate) first: Load,
    /// Of objects that are there.
    pub(crate) known: Load,
    /// Seconds of a first fill.
    pub(crate) fill_seconds: f64,
    /// What it asked for.
    pub(crate) requests: f64,
    /// The most memory of its process, in MiB.
    pub(crate) memory: f64,
}

impl Load {
    fn median(all: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(&all.iter().map(figure).collect::<Vec<_>>());
        Self {
            accepted: of(|one| one.accepted),
            applied: of(|one| one.applied),
            p50: of(|one| one.p50),
            p99: of(|one| one.p99),
            cpu_millis: of(|one| one.cpu_millis),
        }
    }
}

impl Figures {
    /// The median of each figure over the rounds.
    pub(crate) fn median(all: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(&all.iter().map(figure).collect::<Vec<_>>());
        let loads =
            |load: fn(&Self) -> Load| Load::median(&all.iter().map(load).collect::<Vec<_>>());
        Self {
            first: loads(|one| one.first),
            known: loads(|one| one.known),
            fill_seconds: of(|one| one.fill_seconds),
            requests: of(|one| one.requests),
            memory: of(|one| one.memory),
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            accepted,
            applied,
            p50,
            p99,
            cpu_millis,
        } = self;
        write!(
            f,
            "{accepted:.0}/s accepted, {applied:.0}/s applied, p50 {p50:.1} ms, p99 {p99:.1} ms, {cpu_millis:.2} ms CPU"
        )
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            first,
            known,
            fill_seconds,
            requests,
            memory,
        } = self;
        write!(
            f,
            "empty: {first}; known: {known}; fill {fill_seconds:.2} s, {requests:.0} requests; {memory:.0} MiB"
        )
    }
}

/// The whole page.
pub(crate) fn markdown(rounds: usize, folder: &Path, all: &[(Engine, Figures)]) -> String {
    let (renewed, members) = (thousands(RENEWED), thousands(MEMBERS));
    let mut text = String::from("# The mirror of Stripe beside other engines\n\n");
    let _ = writeln!(
        text,
        "Written by `./dev bench sync`; do not edit. Medians of {rounds} rounds on {}. Each engine is a process of its own \
         on a fresh database of one PostgreSQL with its defaults (`fsync` and `synchronous_commit` on); the last line \
         is memberd on SQLite with `synchronous = FULL`. Engine, PostgreSQL, the fake Stripe and the load share the \
         machine.\n\n\
         The events are a day of renewals: for each of {renewed} members a customer with another balance, a subscription with \
         its next period and a new paid invoice; {CONNECTIONS} connections send as fast as they are answered. *Applied* counts until \
         the last event is in the tables, and for memberd in the member's entitlements, too: the peers keep tables only, \
         and answer when they have written them. What is in the tables afterwards is counted. *Empty* tables hold \
         nothing before, *filled* ones what a first fill of {members} customers and {members} subscriptions with their products and \
         prices brought; memberd's also looks through ten lists that are empty here. Its budget of requests is lifted. \
         Nobody here has a payment method: memberd would fetch each, the peers do not. CPU is that of the engine's \
         process alone.\n",
        machine(folder)
    );
    text.push_str(
        "| | empty: accepted/s | applied/s | p50 | p99 | CPU an event | filled: accepted/s | applied/s | p50 | p99 | CPU \
         an event |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for (engine, figures) in all {
        let mut line = format!("| {} ", engine.name());
        for load in [figures.first, figures.known] {
            let Load {
                accepted,
                applied,
                p50,
                p99,
                cpu_millis,
            } = load;
            let _ = write!(
                line,
                "| {accepted:.0} | {applied:.0} | {p50:.1} ms | {p99:.1} ms | {cpu_millis:.2} ms "
            );
        }
        let _ = writeln!(text, "{line}|");
    }
    text.push_str("\n| | first fill | requests | memory, highest |\n|---|--:|--:|--:|\n");
    for (engine, figures) in all {
        let Figures {
            fill_seconds,
            requests,
            memory,
            ..
        } = figures;
        let name = engine.name();
        let _ = writeln!(
            text,
            "| {name} | {fill_seconds:.2} s | {requests:.0} | {memory:.0} MiB |"
        );
    }
    text.push_str("\n![Events a second and the first fill](stripe-sync.svg)\n");
    text.push_str(&goals(all));
    text
}

/// A number for people.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let (first, rest) = digits.split_at(digits.len() % 3);
    let groups = rest.as_bytes().chunks(3).map(String::from_utf8_lossy);
    let first = (!first.is_empty()).then(|| first.into());
    first
        .into_iter()
        .chain(groups)
        .collect::<Vec<_>>()
        .join(",")
}

/// The goals, against the fastest peer of the run.
fn goals(all: &[(Engine, Figures)]) -> String {
    let peers = || all.iter().filter(|(engine, _)| !engine.is_memberd());
    let Some((_, ours)) = all.iter().find(|(engine, _)| *engine == Engine::Memberd) else {
        return String::new();
    };
    if peers().next().is_none() {
        return String::new();
    }
    let best =
        |figure: fn(&Figures) -> f64| peers().map(|(_, it)| figure(it)).fold(f64::MIN, f64::max);
    let (first, known) = (best(|it| it.first.applied), best(|it| it.known.applied));
    let fill = -best(|it| -it.fill_seconds);
    let mut text = String::from("\n| goal, on PostgreSQL | measured | |\n|---|--:|---|\n");
    let lines = [
        (
            format!("{TIMES:.0} times the fastest peer, empty tables"),
            ours.first.applied / first,
            TIMES,
        ),
        (
            format!("{TIMES:.0} times the fastest peer, filled tables"),
            ours.known.applied / known,
            TIMES,
        ),
        (
            "a first fill at least as fast as the fastest peer's".to_owned(),
            fill / ours.fill_seconds,
            1.0,
        ),
    ];
    for (goal, times, least) in lines {
        let word = if times >= least {
            "reached"
        } else {
            "**missed**"
        };
        let _ = writeln!(text, "| {goal} | {times:.2} times | {word} |");
    }
    text
}

/// Bars of the applied events a second, and of the seconds of the first fill.
pub(crate) fn svg(all: &[(Engine, Figures)]) -> String {
    type Part = (String, fn(&Figures) -> f64, usize);
    let members = thousands(MEMBERS);
    let parts: [Part; 3] = [
        (
            "Webhooks accepted and applied a second, empty tables".to_owned(),
            |it| it.first.applied,
            0,
        ),
        (
            "The same, filled tables".to_owned(),
            |it| it.known.applied,
            0,
        ),
        (
            format!("Seconds of a first fill: {members} customers, {members} subscriptions"),
            |it| it.fill_seconds,
            2,
        ),
    ];
    let mut picture = Picture::new();
    for (title, figure, digits) in parts {
        let bar = |(engine, figures): &(Engine, Figures)| Bar {
            name: engine.name().to_owned(),
            value: figure(figures),
            shown: format!("{:.digits$}", figure(figures)),
            strong: engine.is_memberd(),
        };
        let bars: Vec<_> = all.iter().map(bar).collect();
        picture.heading(&title);
        picture.bars(&bars);
    }
    picture.finish()
}
