//! kill -9 while events are sent: each arrives, and only those arrive twice whose answers died with the process.

use std::collections::{BTreeMap, BTreeSet};

use memberd_jobs::{
    args,
    kernel::{
        db::Sql,
        events::{Event, emit_many},
    },
    webhooks_out::AT_ONCE,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use reqwest::Method;
use serde_json::json;

use super::seed;
use crate::support::{Receiver, World, until, within, world::LONG_PATIENCE};

const KILLS: usize = 6;
/// Events told before each kill.
const EVENTS: usize = 400;

const PENDING: Sql = Sql::both("SELECT event_id FROM webhook_deliveries WHERE state = 'pending'");
const SENT: Sql = Sql::both("SELECT event_id FROM webhook_deliveries");

async fn ids(world: &World, sql: Sql) -> BTreeSet<String> {
    let rows: Vec<(String,)> = world.db.rows(sql, args![]).await;
    rows.into_iter().map(|row| row.0).collect()
}

async fn tell(world: &World) {
    let event = Event {
        kind: "audience.access_granted",
        organization_id: "default".to_owned(),
        member_id: None,
        data: json!({}),
    };
    let mut tx = world.db.env.db.begin().await.unwrap();
    emit_many(&mut tx, &world.db.env, &vec![event; EVENTS])
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn survives(world: World) {
    let mut rng = StdRng::seed_from_u64(seed());
    let receiver = Receiver::start().await;
    let mut daemon = world.daemon_with(Receiver::node()).await;
    let body = json!({ "url": receiver.url("/") });
    daemon
        .write(Method::POST, "/v1/webhook-endpoints", &body, "k")
        .await
        .ok();
    let mut lost: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..KILLS {
        receiver.hold();
        tell(&world).await;
        receiver.answer(rng.random_range(0..EVENTS / 2));
        until("as many events on their way as may be", async || {
            (receiver.held() == AT_ONCE).then_some(())
        })
        .await;
        // Some answers come just before the kill: whether they are written is for chance.
        receiver.answer(rng.random_range(0..=AT_ONCE));
        daemon.kill9();
        receiver.has_heard_the_dead().await;
        let pending = ids(&world, PENDING).await;
        // Of what is pending, each time it was heard is an answer that was lost: in this kill or in one before.
        lost.retain(|id, _| !pending.contains(id));
        for one in receiver
            .heard()
            .into_iter()
            .filter(|one| pending.contains(&one.id))
        {
            *lost.entry(one.id).or_default() += 1;
        }
        receiver.let_go();
        daemon.up().await;
    }
    within(LONG_PATIENCE, "no delivery pending", async || {
        ids(&world, PENDING).await.is_empty().then_some(())
    })
    .await;
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for one in receiver.heard() {
        *times.entry(one.id).or_default() += 1;
    }
    let sent = ids(&world, SENT).await;
    assert_eq!(sent.len(), KILLS * EVENTS);
    for id in &sent {
        let expected = 1 + lost.get(id).copied().unwrap_or(0);
        assert_eq!(
            times.get(id),
            Some(&expected),
            "{id}: an answer was lost {} times",
            expected - 1
        );
    }
    println!(
        "{KILLS} kills, {} events, {} answers lost, each of those came again",
        sent.len(),
        lost.len()
    );
    assert!(!lost.is_empty(), "no kill hit an event on its way");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_out_under_kills_lose_nothing_on_sqlite() {
    survives(World::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_out_under_kills_lose_nothing_on_postgres() {
    survives(World::postgres().await).await;
}
