//! kill -9 in the middle of a backfill, of a reconciliation and of a poll: they go on where they were, and ask again only
//! for what was on its way.

use std::ops::Sub;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use reqwest::Method;
use serde_json::json;

use super::seed;
use crate::support::{Daemon, Node, World, within, world::LONG_PATIENCE};

/// Events of the world that is walked: so many that a few requests more are less than a twentieth.
const EVENTS: u64 = 12_000;
/// Events that a poll brings; they are all applied besides.
const POLLED: u64 = 2_000;
/// Requests under way at once, each of which a kill may lose.
const SLOTS: u64 = 2;
/// Every answer takes this long, so that kills hit requests on their way.
const SLOW_MS: u64 = 20;
/// Of a hundred requests, so many more than needed may be made.
const MORE_PERCENT: u64 = 5;

/// What was asked of the fake Stripe.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    /// Pages of lists.
    pages: u64,
    /// Single objects.
    singles: u64,
}

impl Sub for Asked {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            pages: self.pages - before.pages,
            singles: self.singles - before.singles,
        }
    }
}

async fn asked(world: &World) -> Asked {
    let log = world.look("/stripe/log?limit=1").await;
    let mut asked = Asked::default();
    for (route, count) in log["by_route"].as_object().unwrap() {
        let count = count.as_u64().unwrap();
        match route {
            route if !route.starts_with("GET /v1/") => {}
            route if route.ends_with("{id}") => asked.singles += count,
            _ => asked.pages += count,
        }
    }
    asked
}

/// A fake Stripe in which much has happened of which nobody was told.
async fn untold(world: World, events: u64) -> (World, Daemon) {
    let day = json!({"name": "busy_day", "events": events, "seed": 11});
    world.inspect("/stripe/scenario", &day).await;
    let slow = json!({"target": "stripe", "method": "GET", "mode": "slow", "delay_ms": SLOW_MS});
    world.fault(&slow).await;
    let slots = SLOTS.to_string();
    let node = Node::default()
        .roles("api,worker")
        .set("queues.stripe.concurrency", &slots);
    let mut daemon = Daemon::prepare(&world, node);
    daemon.up().await;
    (world, daemon)
}

/// Starts a job and kills the daemon after each of these numbers of pages.
async fn kill(world: &World, daemon: &mut Daemon, kind: &str, kills: &[u64]) {
    let before = asked(world).await;
    let args = if kind == "sync.reconcile_objects" {
        json!({"organization": "default"})
    } else {
        json!({})
    };
    let body = json!({"kind": kind, "args": args});
    let key = format!("{kind}-{}", before.pages);
    daemon
        .write(Method::POST, "/v1/jobs", &body, &key)
        .await
        .ok();
    for pages in kills {
        within(LONG_PATIENCE, "the moment of the kill", async || {
            (asked(world).await.pages >= before.pages + pages).then_some(())
        })
        .await;
        assert!(world.db.count("jobs").await > 0, "it is over already");
        daemon.kill9();
        daemon.up().await;
    }
}

/// The same until everything is over; answers what was asked.
async fn run(world: &World, daemon: &mut Daemon, kind: &str, kills: &[u64]) -> Asked {
    let before = asked(world).await;
    kill(world, daemon, kind, kills).await;
    world.idle().await;
    asked(world).await - before
}

/// Moments in the first and in the second half of so many pages.
fn moments(rng: &mut StdRng, pages: u64) -> [u64; 2] {
    let half = pages / 2;
    [
        rng.random_range(half / 4..half),
        rng.random_range(half..half + half / 2),
    ]
}

fn at_most(what: &str, needed: u64, was: u64) {
    println!("{what}: {was} requests, needed {needed}");
    assert!(
        was <= needed + needed * MORE_PERCENT / 100,
        "{what}: {was} requests, needed {needed}"
    );
}

/// Pages of all lists, from what is there.
async fn pages_needed(world: &World) -> u64 {
    let mut pages = 0;
    for (kind, objects) in world.truth(crate::support::world::ACCOUNT).await {
        let full = (objects.len() as u64).div_ceil(100).max(1);
        pages += match kind {
            "payment_method" => 0,
            // Those that are not sold have a list of their own.
            "price" => full + 1,
            _ => full,
        };
    }
    pages
}

async fn walks_survive(world: World) {
    let mut rng = StdRng::seed_from_u64(seed());
    let (world, mut daemon) = untold(world, EVENTS).await;
    let pages = pages_needed(&world).await;
    let moments_of_backfill = moments(&mut rng, pages);
    let backfill = run(
        &world,
        &mut daemon,
        "sync.backfill_objects",
        &moments_of_backfill[..1],
    )
    .await;
    world.assert_mirror_equals_truth().await;
    let methods = world
        .db
        .count("stripe_objects WHERE type = 'payment_method'")
        .await;
    at_most("pages of a backfill", pages, backfill.pages);
    at_most(
        "objects of a backfill fetched singly",
        methods.unsigned_abs(),
        backfill.singles,
    );

    // Some of what is there now was never told, either.
    world
        .inspect(
            "/stripe/scenario",
            &json!({"name": "busy_day", "events": 60, "seed": 12}),
        )
        .await;
    let pages = pages_needed(&world).await;
    let reconciled = run(
        &world,
        &mut daemon,
        "sync.reconcile_objects",
        &moments(&mut rng, pages),
    )
    .await;
    world.assert_mirror_equals_truth().await;
    at_most("pages of a reconciliation", pages, reconciled.pages);
    let methods = world
        .db
        .count("stripe_objects WHERE type = 'payment_method'")
        .await;
    at_most(
        "looks of a reconciliation",
        methods.unsigned_abs(),
        reconciled.singles,
    );
    let runs = world
        .db
        .count("sync_runs WHERE state = 'done' AND drifted > 0")
        .await;
    assert_eq!((runs, world.db.count("sync_runs").await), (1, 1));
}

async fn a_poll_survives(world: World) {
    let mut rng = StdRng::seed_from_u64(seed());
    let (world, mut daemon) = untold(world, POLLED).await;
    let [early, _] = moments(&mut rng, POLLED / 100);
    kill(&world, &mut daemon, "sync.poll_events", &[early]).await;
    let over = "sync_cursors WHERE stream = 'events' AND state = 'done'";
    within(LONG_PATIENCE, "the end of the poll", async || {
        (world.db.count(over).await == 2).then_some(())
    })
    .await;
    // The next poll, a minute later, looks at all of them again.
    let log = world.look("/stripe/log?limit=1").await;
    let pages = log["by_route"]["GET /v1/events"].as_u64().unwrap();
    let stored = world.db.count("stripe_events").await.unsigned_abs();
    assert!(stored >= POLLED, "{stored}");
    // The other organization has nothing to tell, in one page.
    at_most("pages of events", stored.div_ceil(100) + 1, pages);
    world.idle().await;
    world.assert_mirror_equals_truth().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backfill_and_a_reconciliation_that_are_killed_go_on_where_they_were_on_sqlite() {
    walks_survive(World::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backfill_and_a_reconciliation_that_are_killed_go_on_where_they_were_on_postgres() {
    walks_survive(World::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poll_that_is_killed_goes_on_where_it_was_on_sqlite() {
    a_poll_survives(World::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poll_that_is_killed_goes_on_where_it_was_on_postgres() {
    a_poll_survives(World::postgres().await).await;
}
