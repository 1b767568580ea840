//! kill -9.

use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;

use super::{all_is_well, seed};
use crate::support::{Daemon, Node, World, let_pass};

/// Webhooks a second.
const RATE: u64 = 200;

/// Kills the daemons in turn, each at a random moment while its share of the webhooks arrives; answers how many there
/// were. What was refused meanwhile is delivered again during the next kills.
async fn kill_in_turn(
    world: &World,
    daemons: &mut [Daemon],
    kills: usize,
    webhooks: u64,
    seed: u64,
) -> i64 {
    let mut rng = StdRng::seed_from_u64(seed);
    let share = webhooks.div_ceil(kills as u64);
    let mut events = 0;
    for kill in 0..kills {
        let daemon = &mut daemons[kill % daemons.len()];
        let day = json!({"name": "busy_day", "events": share, "rate_per_second": RATE, "seed": rng.random::<u32>()});
        let moment = Duration::from_millis(rng.random_range(0..share * 1_000 / RATE));
        let (played, ()) = tokio::join!(world.inspect("/stripe/scenario", &day), async {
            let_pass(moment).await;
            daemon.kill9();
            daemon.up().await;
        });
        events += played["events"].as_i64().unwrap();
    }
    events
}

async fn survives(world: World, nodes: &[&'static str], kills: usize, webhooks: u64) {
    let seed = seed();
    let begun = Instant::now();
    let mut daemons = vec![world.daemon_with(Node::named(nodes[0])).await];
    for name in &nodes[1..] {
        daemons.push(world.second_daemon(Node::named(name)).await);
    }
    let events = kill_in_turn(&world, &mut daemons, kills, webhooks, seed).await;
    let stormed = begun.elapsed();
    all_is_well(&world, events).await;
    let deliveries = world.look("/stripe/deliveries").await;
    println!(
        "{kills} kills in {stormed:.1?}, {events} events, {} failed deliveries, all well after {:.1?}",
        deliveries["attempts_failed"],
        begun.elapsed(),
    );
    // Otherwise nothing was tested.
    assert!(
        deliveries["attempts_failed"].as_u64() > Some(0),
        "{deliveries}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_during_two_thousand_webhooks_on_sqlite() {
    survives(World::sqlite().await, &["one"], 50, 2_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_on_postgres_killed_in_turn() {
    survives(World::postgres().await, &["one", "two"], 15, 600).await;
}
