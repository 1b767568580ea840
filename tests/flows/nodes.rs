//! Several daemons on one PostgreSQL.

use std::time::Duration;

use memberd_jobs::{
    FAMILIES, args,
    kernel::{
        CatchUp, Timestamp,
        db::Sql,
        queue::schedules::{self, Wanted},
    },
};
use serde_json::json;

use crate::support::{Daemon, Node, World, until, within};

const SCHEDULE: &str = "housekeeping.prune_jobs";
/// Ticks that are watched, one a second.
const TICKS: i64 = 8;
const TICK_MS: i64 = 1_000;
const LAST_DUE: Sql = Sql::both("SELECT coalesce(last_due, 0) FROM schedules WHERE name = $1");
const NEXT_DUE: Sql = Sql::both("SELECT coalesce(next_due, 0) FROM schedules WHERE name = $1");

/// Everything else stays still, so that the log tells of this schedule alone.
fn every_second() -> String {
    let schedules = FAMILIES.iter().flat_map(|family| family.schedules);
    let rest = schedules.filter(|schedule| schedule.name != SCHEDULE);
    let still =
        rest.map(|schedule| format!("[schedules.\"{}\"]\nenabled = false\n", schedule.name));
    let wanted =
        format!("[schedules.\"{SCHEDULE}\"]\ncron = \"* * * * * *\"\ncatch_up = \"all\"\n");
    still.chain([wanted]).collect()
}

async fn finished(daemon: &Daemon) -> i64 {
    let completed = [("outcome", "completed")];
    daemon
        .metrics()
        .await
        .sum("memberd_jobs_finished_total", &completed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_share_the_work() {
    let world = World::postgres().await;
    let one = world.daemon_with(Node::named("one")).await;
    let two = world.second_daemon(Node::named("two")).await;
    until("two nodes on the list", async || {
        let nodes = one.get("/v1/nodes").await;
        (nodes["data"].as_array()?.len() == 2).then_some(())
    })
    .await;

    world
        .inspect(
            "/stripe/scenario",
            &json!({"name": "busy_day", "events": 300}),
        )
        .await;
    world.settled().await;
    world.assert_mirror_equals_truth().await;
    let (by_one, by_two) = (finished(&one).await, finished(&two).await);
    assert!(by_one > 0 && by_two > 0, "{by_one} and {by_two} jobs");
    // Nothing was run twice: each job has one completion, on one of the two. It is counted a moment after it is written.
    // A job that was to wait again while its twin waited ends as cancelled, in favour of the twin.
    until("as many runs as completed jobs", async || {
        let runs = finished(&one).await + finished(&two).await;
        let done = world.db.count("jobs_done WHERE state = 'completed'").await;
        (runs == done).then_some(())
    })
    .await;
    assert_eq!(world.db.count("job_attempts").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_one_node_loses_nothing() {
    let world = World::postgres().await;
    let _one = world.daemon_with(Node::named("one")).await;
    let mut two = world.second_daemon(Node::named("two")).await;
    let busy = json!({"name": "busy_day", "events": 600, "rate_per_second": 60});
    let ends = async {
        for _ in 0..3 {
            within(
                Duration::from_secs(10),
                "work on the second node",
                async || (finished(&two).await > 0).then_some(()),
            )
            .await;
            two.restart().await;
        }
    };
    tokio::join!(world.inspect("/stripe/scenario", &busy), ends);
    world.settled().await;
    world.assert_mirror_equals_truth().await;
    // A node that ends in order leaves no lease behind that must expire.
    assert_eq!(
        world
            .db
            .count("job_attempts WHERE error LIKE '%lease expired%'")
            .await,
        0
    );
}

/// The number of ticks that a node says it has fired.
fn fired(daemon: &Daemon) -> i64 {
    let count = |line: &str| {
        line.split_once("schedules fired fired=")?
            .1
            .trim()
            .parse()
            .ok()
    };
    daemon
        .log_text()
        .lines()
        .filter_map(|line| count(line) as Option<i64>)
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_tick_fires_once() {
    let world = World::postgres().await;
    let wanted = Wanted {
        name: SCHEDULE.to_owned(),
        kind: SCHEDULE.to_owned(),
        args: "{}".to_owned(),
        cron: "* * * * * *".to_owned(),
        timezone: "UTC".to_owned(),
        catch_up: CatchUp::All,
        enabled: true,
    };
    let db = &world.db.env.db;
    schedules::declare(db, &[wanted], world.db.now())
        .await
        .unwrap();
    let (first,): (Timestamp,) = db.one(NEXT_DUE, args![SCHEDULE]).await.unwrap();

    let mut nodes = Vec::new();
    for name in ["one", "two"] {
        nodes.push(
            world
                .second_daemon(Node::named(name).toml(&every_second()))
                .await,
        );
    }
    within(Duration::from_mins(1), "the last tick", async || {
        let (last,): (i64,) = db.one(LAST_DUE, args![SCHEDULE]).await.unwrap();
        (last >= first.0 + TICKS * TICK_MS).then_some(())
    })
    .await;
    for node in &mut nodes {
        node.stop();
    }

    let (last,): (i64,) = db.one(LAST_DUE, args![SCHEDULE]).await.unwrap();
    let ticks = (last - first.0) / TICK_MS + 1;
    assert_eq!(nodes.iter().map(fired).sum::<i64>(), ticks);
    // The job of a tick folds into that of the tick before while that one still waits.
    let jobs = world
        .db
        .count(&format!("jobs_done WHERE schedule = '{SCHEDULE}'"))
        .await
        + world
            .db
            .count(&format!("jobs WHERE schedule = '{SCHEDULE}'"))
            .await;
    assert!(
        (TICKS / 2..=ticks).contains(&jobs),
        "{jobs} jobs for {ticks} ticks"
    );
    // A node that has stopped may leave the job of the last tick to the next one.
    let mut after = world.second_daemon(Node::named("after")).await;
    world.idle().await;
    after.stop();
}
