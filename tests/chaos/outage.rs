//! The database goes away and comes back.

use std::time::Duration;

use serde_json::json;

use super::{all_is_well, seed};
use crate::support::{Node, World, let_pass, proxy::Wire, until};

/// How long it is away.
const OUTAGE: Duration = Duration::from_secs(3);

/// `url` with another server.
fn through(url: &str, address: &str) -> (String, String) {
    let (user, rest) = url.split_once('@').unwrap();
    let (server, name) = rest.split_once('/').unwrap();
    (server.to_owned(), format!("{user}@{address}/{name}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_goes_away_for_three_seconds() {
    let world = World::postgres().await;
    let (server, _) = through(&world.db.url(), "");
    let mut wire = Wire::to(&server).await;
    let (_, url) = through(&world.db.url(), &wire.address());
    let daemon = world
        .daemon_with(Node::default().set("database.url", &url))
        .await;
    let day = json!({"name": "busy_day", "events": 900, "rate_per_second": 150, "seed": seed()});
    let outage = async {
        until("work under way", async || {
            (world.db.count("jobs_done").await > 50).then_some(())
        })
        .await;
        wire.cut().await;
        let_pass(OUTAGE / 2).await;
        let ready = daemon
            .http
            .get(daemon.url("/healthz"))
            .send()
            .await
            .unwrap();
        assert_eq!(
            ready.status(),
            200,
            "a daemon without its database lives on"
        );
        let_pass(OUTAGE / 2).await;
        wire.mend().await;
    };
    let (played, ()) = tokio::join!(world.inspect("/stripe/scenario", &day), outage);
    all_is_well(&world, played["events"].as_i64().unwrap()).await;
    assert!(daemon.metrics().await.webhooks("unavailable") > 0);
}
