//! Queues, schedules and nodes, which belong to the whole installation.

use axum::http::Method;
use memberd_jobs::{
    access::Scope,
    kernel::{
        CatchUp,
        queue::{
            lease::{self, Node},
            schedules::{self, Wanted},
        },
    },
};
use serde_json::json;

use memberd_jobs::testing::START;

use super::support::App;

#[tokio::test]
async fn keys_of_other_organizations_do_not_see_the_installation() {
    let app = App::new().await;
    let other = app.key("other", &Scope::ALL).await;
    for path in ["/v1/queues", "/v1/schedules", "/v1/nodes"] {
        let answer = app.get(&other, path).await;
        assert_eq!(answer.status, 403, "{path}");
        assert_eq!(answer.code(), "insufficient_scope");
    }
}

#[tokio::test]
async fn queues_show_their_load_and_can_be_paused() {
    let app = App::new().await;
    let key = app.admin().await;
    app.nap("default", "a").await;
    app.nap("other", "a").await;
    let find = |list: serde_json::Value| {
        let queues = list["data"].as_array().unwrap().clone();
        queues
            .into_iter()
            .find(|queue| queue["name"] == "default")
            .unwrap()
    };
    app.clock.advance(std::time::Duration::from_secs(3));
    let queue = find(app.get(&key, "/v1/queues").await.json());
    assert_eq!(queue["waiting"], 2);
    assert_eq!(queue["oldest_available_age_seconds"], 3.0);
    assert_eq!(queue["paused"], false);
    let paused = app.act(&key, "/v1/queues/default/pause").await;
    assert_eq!(paused.status, 200, "{}", paused.text);
    assert_eq!(paused.json()["paused"], true);
    assert_eq!(
        app.act(&key, "/v1/queues/default/pause").await.json(),
        paused.json()
    );
    let resumed = app.act(&key, "/v1/queues/default/resume").await.json();
    assert_eq!(resumed["paused"], false);
    assert_eq!(app.act(&key, "/v1/queues/nosuch/pause").await.status, 404);
}

#[tokio::test]
async fn the_slots_of_a_queue_can_be_set_and_given_back() {
    let app = App::new().await;
    let key = app.admin().await;
    let patch = async |body| {
        app.write(Method::PATCH, &key, "/v1/queues/email", &body)
            .await
    };
    assert_eq!(
        patch(json!({"concurrency": 4.0})).await.json()["concurrency"],
        4
    );
    assert!(patch(json!({"concurrency": null})).await.json()["concurrency"].is_null());
    for wrong in [
        json!({}),
        json!({"concurrency": -1}),
        json!({"concurrency": 1001}),
    ] {
        let answer = patch(wrong).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json()["errors"][0]["pointer"], "#/concurrency");
    }
}

#[tokio::test]
async fn the_limits_of_the_installation_can_be_set_and_taken_away() {
    let app = App::new().await;
    let key = app.admin().await;
    let patch = async |body| {
        app.write(Method::PATCH, &key, "/v1/queues/default", &body)
            .await
    };
    let set = patch(json!({"max_running": 2, "rate_per_second": 5}))
        .await
        .json();
    assert_eq!(
        (&set["max_running"], &set["rate_per_second"]),
        (&json!(2), &json!(5))
    );
    // What is not given stays.
    let again = patch(json!({"max_running": null})).await.json();
    assert_eq!(
        (&again["max_running"], &again["rate_per_second"]),
        (&json!(null), &json!(5))
    );
    let none = patch(json!({"rate_per_second": null, "concurrency": 3}))
        .await
        .json();
    assert_eq!(
        (&none["rate_per_second"], &none["concurrency"]),
        (&json!(null), &json!(3))
    );
    for wrong in [
        json!({"rate_per_second": 0}),
        json!({"max_running": -1}),
        json!({"max_running": "2"}),
    ] {
        assert_eq!(patch(wrong).await.status, 400);
    }
}

#[tokio::test]
async fn schedules_run_pause_and_resume() {
    let app = App::new().await;
    let key = app.admin().await;
    let env = &app.state.env;
    let wanted = Wanted {
        name: "housekeeping.prune_jobs".to_owned(),
        kind: "housekeeping.prune_jobs".to_owned(),
        args: "{}".to_owned(),
        cron: "0 17 * * * *".to_owned(),
        timezone: "UTC".to_owned(),
        catch_up: CatchUp::One,
        enabled: true,
    };
    let strange = Wanted {
        name: "strange".to_owned(),
        kind: "not.here".to_owned(),
        ..wanted.clone()
    };
    schedules::declare(&env.db, &[wanted, strange], env.now())
        .await
        .unwrap();
    let path = "/v1/schedules/housekeeping.prune_jobs";
    let listed = app.get(&key, "/v1/schedules").await.json();
    assert_eq!(listed["data"][0]["next_due"], "2026-01-15T11:17:00Z");
    let paused = app.act(&key, &format!("{path}/pause")).await.json();
    assert_eq!(paused["paused"], true);
    let resumed = app.act(&key, &format!("{path}/resume")).await.json();
    assert_eq!(resumed["paused"], false);
    let job = app.act(&key, &format!("{path}/run")).await;
    assert_eq!(job.status, 201, "{}", job.text);
    assert_eq!(job.json()["schedule"], "housekeeping.prune_jobs");
    assert_eq!(app.act(&key, "/v1/schedules/none/run").await.status, 404);
    assert_eq!(app.act(&key, "/v1/schedules/none/pause").await.status, 404);
    assert_eq!(app.act(&key, "/v1/schedules/strange/run").await.status, 422);
}

#[tokio::test]
async fn nodes_show_their_age() {
    let app = App::new().await;
    let key = app.admin().await;
    let node = Node {
        id: "node_1".to_owned(),
        name: "web-1".to_owned(),
        roles: "api,worker".to_owned(),
        version: "0.1.0".to_owned(),
        started_at: START,
    };
    lease::beat(&app.state.env.db, &node, START).await.unwrap();
    app.clock.advance(std::time::Duration::from_secs(7));
    let listed = app.get(&key, "/v1/nodes").await.json();
    assert_eq!(listed["data"][0]["roles"], json!(["api", "worker"]));
    assert_eq!(listed["data"][0]["beat_age_seconds"], 7.0);
}
