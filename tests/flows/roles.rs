//! One process for each role, on one PostgreSQL.

use serde_json::json;

use crate::support::{Node, World, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_takes_and_another_works() {
    let world = World::postgres().await;
    let mut api = world.daemon_with(Node::named("api").roles("api")).await;
    world
        .inspect(
            "/stripe/scenario",
            &json!({"name": "busy_day", "events": 60}),
        )
        .await;
    until("all webhooks taken", async || {
        let counts = world.look("/stripe/deliveries").await;
        (counts["pending"] == 0 && counts["delivered"].as_i64() >= Some(60)).then_some(())
    })
    .await;
    assert!(world.db.count("jobs").await > 0);
    assert_eq!(
        world.db.count("jobs_done").await,
        0,
        "a node without the role worker worked"
    );
    let counts = api.get("/v1/jobs/counts").await;
    assert!(counts.to_string().contains("available"), "{counts}");

    let worker = world
        .second_daemon(Node::named("worker").roles("worker"))
        .await;
    world.idle().await;
    world.assert_mirror_equals_truth().await;
    let answer = worker.http.get(worker.url("/healthz")).send().await;
    assert!(
        answer.is_err(),
        "a node without the role api listens: {answer:?}"
    );
    assert_eq!(
        world.db.count("schedules").await,
        0,
        "a node without the role scheduler declares none"
    );

    let _scheduler = world
        .second_daemon(Node::named("scheduler").roles("scheduler"))
        .await;
    until("declared schedules", async || {
        (world.db.count("schedules").await > 0).then_some(())
    })
    .await;
    // The roles of the nodes are there for people to see.
    until("three nodes", async || {
        let nodes = api.get("/v1/nodes").await;
        let shown = |role: &str| nodes["data"].to_string().contains(&format!("[\"{role}\"]"));
        ["api", "worker", "scheduler"]
            .into_iter()
            .all(shown)
            .then_some(())
    })
    .await;
    api.stop();
}
