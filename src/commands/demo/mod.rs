//! `memberd demo`: a whole business in two processes, for newcomers to look at and for machines to check.
//!
//! It needs nothing: `setup` writes a configuration and keys, `cast` starts this binary twice (sandbox and
//! daemon), `world` lets a month happen at Stripe. Then people get a summary and a world that goes on (`live`), or
//! with `--once` the `invariants` and a digest. Everything is seen from outside, over HTTP.

mod args;
mod cast;
mod client;
mod digest;
mod facts;
mod folder;
mod invariants;
mod keys;
mod live;
mod measured;
mod metrics;
pub(super) mod processes;
mod screen;
mod setup;
mod store;
mod summary;
mod world;

use std::time::Duration;

pub use self::args::Args;
use memberd_jobs::kernel::Chance;
use reqwest::Client;
use serde_json::json;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::Instant,
};

use self::{
    cast::{Cast, history},
    facts::Told,
    invariants::Invariant,
    measured::Measured,
    screen::Screen,
    setup::Stage,
    world::World,
};
use super::{Failure, Outcome, print, runtime};
use crate::cli::Global;

/// Runs the demo.
///
/// # Errors
/// A flag that does not fit (2), an invariant that does not hold (4), anything else that fails (1).
pub fn run(args: &Args, global: &Global) -> Outcome {
    if global.json && !args.once {
        let text = "--json is for `memberd demo --once`: without it the demo never ends";
        return Err(Failure::new(Failure::USAGE, text));
    }
    runtime()?.block_on(demo(args, global))
}

/// How the part between start and end went.
enum Ended {
    /// `--once`: this is what was found.
    Checked(Box<Findings>),
    /// Somebody stopped it.
    Stopped,
}

/// What `--once` found.
struct Findings {
    invariants: Vec<Invariant>,
    digest: String,
    members: usize,
    jobs: i64,
    measured: Measured,
}

async fn demo(args: &Args, global: &Global) -> Outcome {
    let began = Instant::now();
    let screen = Screen::new(global.json);
    let mut signals = Signals::listen()?;
    let chance = Chance::from_system().map_err(anyhow::Error::from)?;
    let client = client::client()?;
    let stage = Stage::set(args, &global.set, &chance).await?;
    screen.say(format!(
        "memberd demo: a fake Stripe and the daemon on {}, {} members, seed {}",
        stage.database, args.members, args.seed
    ));
    let cast = tokio::select! {
        cast = Cast::start(&stage, args, &client) => cast,
        () = signals.next() => Err(anyhow::anyhow!("stopped while starting")),
    };
    let mut cast = cast.inspect_err(|_| keep(&screen, &stage))?;
    let world = World::of(&stage, &client, args.seed);
    let ended = tokio::select! {
        ended = story(args, &stage, &world, &client, &screen) => ended,
        death = cast.death() => Err(death),
        () = signals.next() => Ok(Ended::Stopped),
    };
    screen.clear();
    if !args.once {
        screen.say("stopping …");
    }
    let stopped = tokio::select! {
        stopped = cast.stop(&stage) => stopped,
        () = signals.next() => Err(anyhow::anyhow!("stopped at once by a second signal")),
    };
    let outcome = match ended {
        Err(error) => Err(error.into()),
        Ok(Ended::Stopped) if args.once => Err(Failure::new(
            Failure::FAILED,
            "stopped before everything was checked",
        )),
        Ok(Ended::Stopped) => stopped.map(drop).map_err(Failure::from),
        Ok(Ended::Checked(mut findings)) => {
            findings
                .invariants
                .push(Invariant::of("graceful_stop", stopped));
            tell(args, &stage, &findings, began.elapsed(), global.json)
        }
    };
    if outcome.is_err() {
        keep(&screen, &stage);
    } else {
        part(&screen, &stage)?;
    }
    outcome
}

/// Everything that happens while both processes run.
async fn story(
    args: &Args,
    stage: &Stage,
    world: &World,
    client: &Client,
    screen: &Screen,
) -> anyhow::Result<Ended> {
    let measured = fill(args, world, screen).await?;
    let told = Told::read(&world.towns[0].api).await?;
    screen.say(summary::summary(world, client, &told, &measured).await?);
    if args.once {
        let findings = check(world, measured, screen).await?;
        return Ok(Ended::Checked(Box::new(findings)));
    }
    screen.say(summary::directions(stage));
    live::live(world, screen).await;
    Ok(Ended::Stopped)
}

/// A month at Stripe.
async fn fill(args: &Args, world: &World, screen: &Screen) -> anyhow::Result<Measured> {
    let mut measured = Measured::default();
    let began = Instant::now();
    world.connect().await?;
    let work = world.fill(args.members);
    world
        .settle_after(work, screen, "members join and subscribe")
        .await?;
    measured.filled = began.elapsed();
    measured.count(world).await?;
    let work = world.busy_day(args.members);
    let what = "a busy day, with webhooks doubled, mixed and delayed";
    world.settle_after(work, screen, what).await?;
    measured.latency = measured.count(world).await?;
    let work = world.advance(history(args));
    let what = "a month passes: trials end, periods renew";
    measured.caught_up = world.settle_after(work, screen, what).await?;
    measured.count(world).await?;
    Ok(measured)
}

async fn check(world: &World, measured: Measured, screen: &Screen) -> anyhow::Result<Findings> {
    let (invariants, told) = invariants::check(world, &measured, screen).await?;
    Ok(Findings {
        invariants,
        digest: invariants::digest_of(world, &told),
        members: told.iter().map(|told| told.members.len()).sum(),
        jobs: world.left().await?.ended,
        measured,
    })
}

/// Prints what `--once` found; fails when something does not hold.
fn tell(args: &Args, stage: &Stage, findings: &Findings, took: Duration, as_json: bool) -> Outcome {
    let wrong = findings
        .invariants
        .iter()
        .filter(|one| one.verdict.is_err())
        .count();
    if as_json {
        let seconds = |time: Duration| (time.as_secs_f64() * 10.0).round() / 10.0;
        let answer = json!({
            "digest": findings.digest, "seconds": seconds(took), "members": findings.members,
            "jobs": findings.jobs, "invariants": invariants::json(&findings.invariants),
            "database": stage.database, "seed": args.seed, "webhooks_ms": findings.measured.latency,
            "filled_seconds": seconds(findings.measured.filled),
            "caught_up_seconds": seconds(findings.measured.caught_up),
        });
        print(&answer.to_string())?;
    } else {
        let lines: Vec<String> = findings
            .invariants
            .iter()
            .map(ToString::to_string)
            .collect();
        print(&format!(
            "\n{}\n\n  digest  {}\n  {} members, {} jobs, {:.1} s on {}",
            lines.join("\n"),
            findings.digest,
            findings.members,
            findings.jobs,
            took.as_secs_f64(),
            stage.database
        ))?;
    }
    if wrong > 0 {
        let text = format!(
            "{wrong} of {} invariants do not hold",
            findings.invariants.len()
        );
        return Err(Failure::new(Failure::FOUND, text));
    }
    Ok(())
}

/// After a failure the files are what explains it.
fn keep(screen: &Screen, stage: &Stage) {
    screen.note(format!(
        "the demo's files are kept in {}",
        stage.folder.path.display()
    ));
}

fn part(screen: &Screen, stage: &Stage) -> anyhow::Result<()> {
    stage.folder.remove()?;
    if stage.folder.temporary {
        screen.say("stopped; the demo's files are removed (--data DIR keeps them)");
    } else {
        screen.say(format!(
            "stopped; the demo's files are in {}",
            stage.folder.path.display()
        ));
    }
    Ok(())
}

/// The signals that end a demo; a closed terminal is one of them.
struct Signals([Signal; 3]);

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
