//! The database goes away and comes back.

use std::time::Duration;

use memberd::ingest::stripe::STORE_TIMEOUT;
use memberd_jobs::testing::Server;
use serde_json::json;

use super::{all_is_well, seed};
use crate::support::{Daemon, Node, World, let_pass, proxy::Wire, until};

/// Longer than a webhook waits to be stored, so that some are refused.
const OUTAGE: Duration = STORE_TIMEOUT.saturating_add(Duration::from_secs(3));
/// Webhooks a second, and how many: they last longer than the outage.
const RATE: u64 = 60;
const EVENTS: u64 = 900;

/// `url` with another server.
fn through(url: &str, address: &str) -> (String, String) {
    let (user, rest) = url.split_once('@').unwrap();
    let (server, name) = rest.split_once('/').unwrap();
    (server.to_owned(), format!("{user}@{address}/{name}"))
}

/// Waits until the daemon has begun to work off the events.
async fn work_under_way(world: &World) {
    until("work under way", async || {
        (world.db.count("jobs_done").await > 50).then_some(())
    })
    .await;
}

/// What the daemon says while its database is away.
async fn lives_on(daemon: &Daemon) {
    let_pass(OUTAGE / 2).await;
    for (path, status) in [("/healthz", 200), ("/readyz", 503)] {
        let answer = daemon.http.get(daemon.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path} without a database");
    }
    let_pass(OUTAGE / 2).await;
}

/// All events arrive in the end, and some were refused meanwhile: otherwise nothing was tested.
async fn recovers(world: &World, daemon: &Daemon, outage: impl Future<Output = ()>) {
    let day =
        json!({"name": "busy_day", "events": EVENTS, "rate_per_second": RATE, "seed": seed()});
    let (played, ()) = tokio::join!(world.inspect("/stripe/scenario", &day), outage);
    all_is_well(world, played["events"].as_i64().unwrap()).await;
    assert!(daemon.metrics().await.webhooks("unavailable") > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wire_to_postgres_is_cut() {
    let world = World::postgres().await;
    let (server, _) = through(&world.db.url(), "");
    let mut wire = Wire::to(&server).await;
    let (_, url) = through(&world.db.url(), &wire.address());
    let daemon = world
        .daemon_with(Node::default().set("database.url", &url))
        .await;
    let outage = async {
        work_under_way(&world).await;
        wire.cut().await;
        lives_on(&daemon).await;
        wire.mend().await;
    };
    recovers(&world, &daemon, outage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_stopped_and_recovers() {
    let mut server = Server::start().await;
    let world = World::on(&server).await;
    let daemon = world.daemon().await;
    let outage = async {
        work_under_way(&world).await;
        server.stop();
        lives_on(&daemon).await;
        server.start_again().await;
    };
    recovers(&world, &daemon, outage).await;
}
