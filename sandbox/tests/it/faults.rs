//! Faults on both sides.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Receiver, Sandbox, ids, start, until};

async fn fault(sandbox: &Sandbox, fault: Value) -> String {
    let made = sandbox.post_json("/faults", &fault).await;
    assert_eq!(made.status, 201, "{}", made.json);
    made.json["id"].as_str().unwrap().to_owned()
}

async fn customers(sandbox: &Sandbox) -> usize {
    ids(&sandbox.get("/v1/customers").await.ok()).len()
}

#[tokio::test]
async fn a_broken_connection_gives_no_answer_and_the_effect_the_mode_says() {
    for (mode, effects) in [
        ("refuse", 0),
        ("timeout", 0),
        ("timeout_after_success", 1),
        ("drop", 1),
    ] {
        let sandbox = start().await;
        fault(&sandbox, json!({"target": "stripe", "mode": mode, "method": "POST", "path": "/v1/customers", "times": 1, "delay_ms": 20})).await;
        let request = || {
            sandbox
                .request("POST", "/v1/customers", "sk_test_sandbox", "name=Ada")
                .header("idempotency-key", "k")
        };
        let answer = sandbox.try_send(request()).await;
        assert!(answer.is_err(), "{mode}: {answer:?}");
        assert_eq!(customers(&sandbox).await, effects, "{mode}");
        let again = sandbox.try_send(request()).await.unwrap();
        assert_eq!(
            (again.status, again.header("idempotent-replayed") == "true"),
            (200, effects == 1),
            "{mode}"
        );
        assert_eq!(customers(&sandbox).await, 1, "{mode}");
        sandbox.stop().await;
    }
}

#[tokio::test]
async fn a_status_is_answered_as_often_as_wanted_where_wanted() {
    let sandbox = start().await;
    fault(&sandbox, json!({"target": "stripe", "mode": "status", "status": 503, "path": "/v1/prod", "times": 2})).await;
    let mut statuses = Vec::new();
    for path in [
        "/v1/customers",
        "/v1/products",
        "/v1/products",
        "/v1/products",
    ] {
        statuses.push(sandbox.get(path).await.status);
    }
    assert_eq!(statuses, [200, 503, 503, 200]);
    let limited = fault(
        &sandbox,
        json!({"target": "stripe", "mode": "status", "status": 429}),
    )
    .await;
    let answer = sandbox.get("/v1/products").await;
    assert_eq!(
        (answer.error(), answer.header("retry-after")),
        ((429, "rate_limit", ""), "1")
    );
    sandbox.delete(&format!("/faults?id={limited}")).await.ok();
    assert_eq!(sandbox.get("/v1/products").await.status, 200);
    assert_eq!(
        sandbox
            .delete(&format!("/faults?id={limited}"))
            .await
            .status,
        404
    );
    sandbox.stop().await;
}

#[tokio::test]
async fn an_error_sticks_to_its_key_only_when_cached() {
    for (cached, expected) in [(false, 200), (true, 500)] {
        let sandbox = start().await;
        fault(
            &sandbox,
            json!({"target": "stripe", "mode": "status", "times": 1, "cached": cached}),
        )
        .await;
        assert_eq!(
            sandbox
                .post_keyed("/v1/customers", "name=Ada", "k")
                .await
                .status,
            500
        );
        assert_eq!(
            sandbox
                .post_keyed("/v1/customers", "name=Ada", "k")
                .await
                .status,
            expected
        );
        sandbox.stop().await;
    }
}

#[tokio::test]
async fn a_rate_strikes_some() {
    let sandbox = start().await;
    fault(
        &sandbox,
        json!({"target": "stripe", "mode": "status", "rate": 0.5}),
    )
    .await;
    let mut struck = 0;
    for _ in 0..100 {
        struck += usize::from(sandbox.get("/v1/account").await.status == 500);
    }
    assert!((25..75).contains(&struck), "{struck}");
    sandbox.delete("/faults").await.ok();
    assert_eq!(sandbox.get("/v1/account").await.status, 200);
    sandbox.stop().await;
}

#[tokio::test]
async fn webhook_faults_delay_repeat_or_lose() {
    for (mode, arrivals, lost) in [
        ("refuse", 1, 0),
        ("status", 1, 0),
        ("timeout", 1, 0),
        ("timeout_after_success", 2, 0),
        ("drop", 0, 1),
        ("slow", 1, 0),
    ] {
        let (sandbox, receiver) = (start().await, Receiver::default());
        let url = receiver.listen().await;
        sandbox
            .post_json("/stripe/webhook_endpoints", &json!({"url": url}))
            .await
            .ok();
        fault(&sandbox, json!({"target": "webhooks", "path": "/webhooks", "mode": mode, "times": 1, "delay_ms": 20})).await;
        sandbox.customer("").await;
        let stats = until("the delivery is over", || async {
            let stats = sandbox.get("/stripe/deliveries").await.ok();
            (stats["pending"] == json!(0)).then_some(stats)
        })
        .await;
        assert_eq!(
            (receiver.got().len(), &stats["dropped"]),
            (arrivals, &json!(lost)),
            "{mode}"
        );
        sandbox.stop().await;
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_changes_neither_the_effect_nor_the_log() {
    for mode in ["slow", "timeout_after_success"] {
        let sandbox = start().await;
        fault(
            &sandbox,
            json!({"target": "stripe", "mode": mode, "method": "POST", "times": 1, "delay_ms": 300}),
        )
        .await;
        let request = || {
            let request = sandbox.request("POST", "/v1/customers", "sk_test_sandbox", "name=Ada");
            request.header("idempotency-key", "k")
        };
        let hung_up = sandbox
            .try_send(request().timeout(Duration::from_millis(100)))
            .await;
        assert!(hung_up.is_err(), "{mode}");
        let answer = until("the first request is over", || async {
            let answer = sandbox.try_send(request()).await.unwrap();
            (answer.status != 409).then_some(answer)
        })
        .await;
        assert_eq!(answer.header("idempotent-replayed"), "true", "{mode}");
        assert_eq!(customers(&sandbox).await, 1, "{mode}");
        let log = sandbox.get("/stripe/log").await.ok();
        let first = log["requests"].as_array().unwrap().iter().filter(|one| {
            one["method"] == "POST" && one["status"] == 200 && one["replayed"] == json!(false)
        });
        assert_eq!(first.count(), 1, "{mode}");
        sandbox.stop().await;
    }
}

#[tokio::test]
async fn stopping_does_not_wait_for_faults() {
    let sandbox = start().await;
    let silence = json!({"target": "stripe", "mode": "timeout", "delay_ms": 600_000});
    fault(&sandbox, silence).await;
    let request = sandbox.request("GET", "/v1/account", "sk_test_sandbox", "");
    let hanging = sandbox.try_send(request);
    let stop = async {
        until("the request hangs", || async {
            (sandbox.get("/faults").await.ok()["hits"] == json!(1)).then_some(())
        })
        .await;
        sandbox.cancel();
    };
    let (answer, ()) = tokio::join!(hanging, stop);
    assert!(answer.is_err());
    sandbox.stop().await;
}
