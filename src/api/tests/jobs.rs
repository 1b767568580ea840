//! Jobs over HTTP.

use std::time::Duration;

use memberd_jobs::{
    access::Scope,
    kernel::queue::{
        Ack, Outcome, Queue, ack,
        claim::{Claim, claim},
    },
};
use serde_json::{Value, json};

use super::support::App;

/// Claims what is due and ends it this way.
async fn run(app: &App, outcome: Option<Outcome>) {
    let env = &app.state.env;
    let mut tx = env.db.begin().await.unwrap();
    let round = claim(
        &mut tx,
        &Claim {
            queue: Queue::Default,
            owner: "node_1",
            lease_id: env.id("lease"),
            lease: Duration::from_secs(30),
            spent: &[],
            free: 100,
            busy: 0,
            now: env.now(),
            after: None,
        },
    )
    .await
    .unwrap();
    assert!(!round.jobs.is_empty());
    if let Some(outcome) = outcome {
        let acks: Vec<_> = round
            .jobs
            .into_iter()
            .map(|job| Ack {
                id: job.id,
                fence: job.fence,
                owner: job.owner,
                outcome: outcome.clone(),
            })
            .collect();
        ack::settle(&mut tx, env.now(), &acks).await.unwrap();
    }
    tx.commit().await.unwrap();
}

fn discarded() -> Outcome {
    Outcome::Discarded {
        error: "it broke".to_owned(),
    }
}

#[tokio::test]
async fn a_job_is_enqueued_once_per_key_and_shown() {
    let app = App::new().await;
    let key = app.admin().await;
    let body = json!({"kind": "test.nap", "args": {"key": "a"}, "priority": -5,
                      "due_at": "2026-01-15T11:00:00Z"});
    let made = app.post(&key, "/v1/jobs", &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    assert_eq!(made["state"], "scheduled");
    assert_eq!(made["priority"], -5);
    assert_eq!(made["args"], json!({"key": "a"}));
    let again = app.post(&key, "/v1/jobs", &body).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.json()["id"], made["id"]);
    let path = format!("/v1/jobs/{}", made["id"].as_str().unwrap());
    let shown = app.get(&key, &path).await.json();
    assert_eq!(shown["attempts"], json!([]));
    assert_eq!(shown["id"], made["id"]);
}

#[tokio::test]
async fn a_job_that_cannot_be_is_refused() {
    let app = App::new().await;
    let key = app.admin().await;
    for (body, status, pointer) in [
        (json!({"kind": "test.nep"}), 422, "#/kind"),
        (json!({"kind": "test.nap"}), 422, "#/args"),
        (
            json!({"kind": "test.nap", "args": {"key": "a", "x": 1}}),
            422,
            "#/args",
        ),
        (json!({"kind": "test.nap", "args": []}), 400, "#/args"),
        (
            json!({"kind": "test.nap", "priority": 101}),
            400,
            "#/priority",
        ),
        (
            json!({"kind": "test.nap", "priority": 0.5}),
            400,
            "#/priority",
        ),
        (
            json!({"kind": "test.nap", "due_at": "soon"}),
            400,
            "#/due_at",
        ),
    ] {
        let answer = app.post(&key, "/v1/jobs", &body).await;
        assert_eq!(answer.status, status, "{body} {}", answer.text);
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{body}");
    }
    let near = app
        .post(&key, "/v1/jobs", &json!({"kind": "test.nep"}))
        .await;
    assert!(
        near.text.contains("did you mean `test.nap`"),
        "{}",
        near.text
    );
}

#[tokio::test]
async fn jobs_of_another_organization_do_not_exist() {
    let app = App::new().await;
    let id = app.nap("default", "a").await;
    let other = app.key("other", &Scope::ALL).await;
    let listed = app.get(&other, "/v1/jobs").await.json();
    assert_eq!(listed["data"], json!([]));
    assert_eq!(
        app.get(&other, "/v1/jobs/counts").await.json()["total"]["available"],
        0
    );
    for answer in [
        app.get(&other, &format!("/v1/jobs/{id}")).await,
        app.act(&other, &format!("/v1/jobs/{id}/cancel")).await,
        app.act(&other, &format!("/v1/jobs/{id}/retry")).await,
    ] {
        assert_eq!(answer.status, 404);
        assert_eq!(answer.code(), "job_not_found");
    }
    let body = json!({"action": "cancel", "ids": [id]});
    let bulk = app.post(&other, "/v1/jobs/bulk", &body).await.json();
    assert_eq!(bulk["refused"][0]["code"], "job_not_found");
    assert_eq!(bulk["done"], 0);
}

#[tokio::test]
async fn pages_show_every_job_once_newest_first() {
    let app = App::new().await;
    let key = app.admin().await;
    let mut made = Vec::new();
    for n in 0..7 {
        made.push(app.nap("default", &n.to_string()).await);
        if n == 3 {
            run(&app, Some(Outcome::Completed { report: None })).await;
        }
    }
    made.reverse();
    let mut seen: Vec<Value> = Vec::new();
    let mut path = "/v1/jobs?limit=2".to_owned();
    loop {
        let page = app.get(&key, &path).await.json();
        seen.extend(
            page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|job| job["id"].clone()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/v1/jobs?limit=2&cursor={cursor}");
        assert!(seen.len() <= made.len());
    }
    assert_eq!(json!(seen), json!(made));
    let counts = app.get(&key, "/v1/jobs/counts").await.json();
    assert_eq!(counts["total"]["completed"], 4);
    assert_eq!(counts["total"]["available"], 3);
}

#[tokio::test]
async fn a_discarded_job_can_be_retried_a_running_or_completed_one_cannot() {
    let app = App::new().await;
    let key = app.admin().await;
    let id = app.nap("default", "a").await;
    run(&app, Some(discarded())).await;
    let path = format!("/v1/jobs/{id}");
    let shown = app.get(&key, &path).await.json();
    assert_eq!(shown["state"], "discarded");
    assert_eq!(shown["attempts"][0]["error"], "it broke");
    let retried = app.act(&key, &format!("{path}/retry")).await;
    assert_eq!(retried.status, 200, "{}", retried.text);
    assert_eq!(retried.json()["state"], "retryable");
    assert_eq!(retried.json()["error"], "it broke");
    run(&app, None).await;
    let running = app.act(&key, &format!("{path}/retry")).await;
    assert_eq!(
        (running.status.as_u16(), running.code()),
        (409, "job_running".to_owned())
    );
    let cancel = app.act(&key, &format!("{path}/cancel")).await.json();
    assert_eq!(cancel["state"], "running");
    assert!(cancel["cancel_requested_at"].is_string());

    let done = app.nap("default", "b").await;
    run(&app, Some(Outcome::Completed { report: None })).await;
    for verb in ["retry", "cancel"] {
        let answer = app.act(&key, &format!("/v1/jobs/{done}/{verb}")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (409, "job_final".to_owned())
        );
    }
}

#[tokio::test]
async fn bulk_by_filter_does_nothing_unless_the_number_fits() {
    let app = App::new().await;
    let key = app.admin().await;
    for n in 0..3 {
        app.nap("default", &n.to_string()).await;
    }
    let body = |count: i64| {
        json!({"action": "cancel", "filter": {"kind": "test.nap", "state": "available"},
               "expected_count": count})
    };
    let wrong = app.post(&key, "/v1/jobs/bulk", &body(2)).await;
    assert_eq!(
        (wrong.status.as_u16(), wrong.code()),
        (412, "precondition_failed".to_owned())
    );
    assert!(
        wrong.text.contains("matches 3 jobs, not 2"),
        "{}",
        wrong.text
    );
    let done = app.post(&key, "/v1/jobs/bulk", &body(3)).await.json();
    assert_eq!(done, json!({"done": 3, "folded": [], "refused": []}));
    let listed = app.get(&key, "/v1/jobs?state=cancelled").await.json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn bulk_takes_either_ids_or_a_filter() {
    let app = App::new().await;
    let key = app.admin().await;
    let too_many: Vec<_> = (0..1001).map(|n| n.to_string()).collect();
    for wrong in [
        json!({"action": "retry"}),
        json!({"action": "retry", "ids": []}),
        json!({"action": "retry", "ids": too_many}),
        json!({"action": "retry", "ids": ["a"], "expected_count": 1}),
        json!({"action": "retry", "filter": {}}),
        json!({"action": "erase", "ids": ["a"]}),
        json!({"action": "retry", "filter": {"knid": "x"}, "expected_count": 1}),
    ] {
        let answer = app.post(&key, "/v1/jobs/bulk", &wrong).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
    }
}

#[tokio::test]
async fn kinds_are_those_of_the_registry() {
    let app = App::new().await;
    let key = app.admin().await;
    let listed = app.get(&key, "/v1/jobs/kinds").await.json();
    let kinds: Vec<_> = app.state.registry.jobs().map(|def| def.kind).collect();
    let shown: Vec<_> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| &kind["kind"])
        .collect();
    assert_eq!(json!(shown), json!(kinds));
}
