//! SIGSTOP for longer than a lease, then SIGCONT: the node wakes up with jobs that are no longer its own.

use std::time::Duration;

use serde_json::json;

use super::{all_is_well, seed};
use crate::support::{Daemon, Node, World, until, within};

const FETCHES: &str = "jobs_done WHERE kind = 'sync.fetch_object'";

async fn stale_acks(daemon: &Daemon) -> i64 {
    daemon
        .metrics()
        .await
        .sum("memberd_jobs_stale_acks_total", &[])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_wakes_up_after_its_lease_is_not_heard() {
    let world = World::postgres().await;
    // The frozen node takes no webhooks, so that none waits for it.
    let healthy = world
        .daemon_with(Node::named("healthy").roles("api,scheduler"))
        .await;
    let frozen = world.second_daemon(Node::named("frozen")).await;
    // The first fetches take so long that the node is frozen in the middle of them.
    let slow = json!({"target": "stripe", "method": "GET", "mode": "slow", "delay_ms": 1_500, "times": 12});
    world.fault(&slow).await;
    let day = json!({"name": "busy_day", "events": 60, "seed": seed()});
    let played = world.inspect("/stripe/scenario", &day).await;
    until("running jobs", async || {
        (world.db.count("jobs WHERE owner IS NOT NULL").await >= 8).then_some(())
    })
    .await;
    frozen.pause();
    let worker = world
        .second_daemon(Node::named("worker").roles("worker"))
        .await;
    // Its leases end and another node does its work.
    within(
        Duration::from_secs(40),
        "the work of the frozen node",
        async || (world.db.count("jobs").await == 0).then_some(()),
    )
    .await;
    assert!(
        world
            .db
            .count("job_attempts WHERE error LIKE '%lease expired%'")
            .await
            > 0
    );
    let done = world.db.count(FETCHES).await;
    frozen.resume();
    until("refused acknowledgements", async || {
        (stale_acks(&frozen).await > 0).then_some(())
    })
    .await;
    all_is_well(&world, played["events"].as_i64().unwrap()).await;
    assert_eq!(
        world.db.count(FETCHES).await,
        done,
        "the late node finished something again"
    );
    assert_eq!(stale_acks(&healthy).await, 0);
    drop(worker);
}
