//! Idempotency keys and rate limits.

use serde_json::json;

use crate::support::{DAY, OTHER_KEY, id, ids, start, until};

#[tokio::test]
async fn a_key_repeats_the_first_answer_for_24_hours() {
    let sandbox = start().await;
    let first = sandbox.post_keyed("/v1/customers", "name=Ada", "k").await;
    let again = sandbox.post_keyed("/v1/customers", "name=Ada", "k").await;
    assert_eq!(
        (
            first.header("idempotent-replayed"),
            again.header("idempotent-replayed")
        ),
        ("", "true")
    );
    assert_eq!(first.json, again.json);
    assert_eq!(ids(&sandbox.get("/v1/customers").await.ok()).len(), 1);
    sandbox.advance(DAY - 1).await;
    assert_eq!(
        sandbox
            .post_keyed("/v1/customers", "name=Ada", "k")
            .await
            .json,
        first.json
    );
    sandbox.advance(1).await;
    assert_ne!(
        id(&sandbox
            .post_keyed("/v1/customers", "name=Ada", "k")
            .await
            .ok()),
        id(&first.json)
    );
    sandbox.stop().await;
}

#[tokio::test]
async fn answers_name_the_first_request_of_their_key_and_whether_to_try_again() {
    let sandbox = start().await;
    let first = sandbox.post_keyed("/v1/customers", "name=Ada", "k").await;
    let again = sandbox.post_keyed("/v1/customers", "name=Ada", "k").await;
    let request = first.header("request-id");
    assert_eq!(first.header("original-request"), request);
    assert_eq!(again.header("original-request"), request);
    assert_ne!(again.header("request-id"), request);
    for answer in [&first, &again] {
        assert_eq!(answer.header("stripe-should-retry"), "false");
    }
    let read = sandbox.get("/v1/customers").await;
    for name in ["original-request", "idempotency-key", "stripe-should-retry"] {
        assert_eq!(read.header(name), "", "{name}");
    }
    let kept =
        json!({"target": "stripe", "mode": "status", "status": 500, "times": 1, "cached": true});
    sandbox.post_json("/faults", &kept).await.ok();
    let failed = sandbox.post_keyed("/v1/customers", "name=Eve", "e").await;
    assert_eq!(
        (failed.status, failed.header("stripe-should-retry")),
        (500, "true")
    );
    // Once it is kept, trying again brings the same answer.
    let again = sandbox.post_keyed("/v1/customers", "name=Eve", "e").await;
    assert_eq!(
        (again.status, again.header("stripe-should-retry")),
        (500, "false")
    );
    assert_eq!(
        again.header("original-request"),
        failed.header("request-id")
    );
    sandbox.stop().await;
}

#[tokio::test]
async fn a_key_is_for_one_request_of_one_account() {
    let sandbox = start().await;
    let customer = sandbox
        .post_keyed("/v1/customers", "name=Ada", "k")
        .await
        .ok();
    for (path, form) in [
        ("/v1/customers".to_owned(), "name=Bob"),
        (format!("/v1/customers/{}", id(&customer)), "name=Ada"),
    ] {
        let answer = sandbox.post_keyed(&path, form, "k").await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json["error"]["type"], "idempotency_error");
    }
    let request = sandbox.request("POST", "/v1/customers", OTHER_KEY, "name=Bob");
    let other = sandbox
        .try_send(request.header("idempotency-key", "k"))
        .await
        .unwrap();
    assert_eq!(other.ok()["name"], "Bob");
    sandbox.stop().await;
}

#[tokio::test]
async fn refused_requests_leave_the_key_free_and_declined_ones_do_not() {
    let sandbox = start().await;
    assert_eq!(
        sandbox
            .post_keyed("/v1/customers", "nmae=Ada", "k")
            .await
            .status,
        400
    );
    assert_eq!(
        sandbox
            .post_keyed("/v1/customers", "name=Ada", "k")
            .await
            .status,
        200
    );

    let price = sandbox.price(500, "month").await;
    let customer = sandbox.customer("metadata[sandbox_card]=fails").await;
    let form =
        format!("customer={customer}&items[0][price]={price}&payment_behavior=error_if_incomplete");
    let declined = sandbox.post_keyed("/v1/subscriptions", &form, "pay").await;
    assert_eq!(declined.error(), (402, "card_declined", ""));
    sandbox
        .post(
            &format!("/v1/customers/{customer}"),
            "metadata[sandbox_card]=",
        )
        .await
        .ok();
    let again = sandbox.post_keyed("/v1/subscriptions", &form, "pay").await;
    assert_eq!(
        (again.status, again.header("idempotent-replayed")),
        (402, "true")
    );
    assert_eq!(
        sandbox
            .post_keyed("/v1/subscriptions", &form, "pay 2")
            .await
            .status,
        200
    );
    sandbox.stop().await;
}

#[tokio::test]
async fn a_key_in_flight_is_a_conflict() {
    let sandbox = start().await;
    let fault = json!({"target": "stripe", "mode": "slow", "times": 1, "delay_ms": 2_000});
    sandbox.post_json("/faults", &fault).await.ok();
    let slow = sandbox.post_keyed("/v1/customers", "name=Ada", "k");
    let conflict = async {
        until("the slow request is under way", || async {
            let hits = sandbox.get("/faults").await.ok()["hits"].clone();
            (hits == json!(1)).then_some(())
        })
        .await;
        sandbox.post_keyed("/v1/customers", "name=Ada", "k").await
    };
    let (slow, conflict) = tokio::join!(slow, conflict);
    assert_eq!(conflict.error(), (409, "idempotency_key_in_use", ""));
    let again = sandbox.post_keyed("/v1/customers", "name=Ada", "k").await;
    assert_eq!((slow.status, &again.json), (200, &slow.json));
    sandbox.stop().await;
}

#[tokio::test]
async fn each_direction_has_its_budget() {
    let sandbox = start().await;
    let limits =
        json!({"read_per_second": 3, "write_per_second": 1, "account": "acct_1SandboxFirst0001"});
    sandbox.post_json("/stripe/limits", &limits).await.ok();
    let mut refused = Vec::new();
    // Many more than a second's worth, at once: some must be refused even on a slow machine.
    let tasks = (0..40).map(|_| sandbox.get("/v1/customers"));
    for answer in join_all(tasks).await {
        if answer.status == 429 {
            refused.push(answer);
        }
    }
    assert!(!refused.is_empty());
    assert_eq!(refused[0].error(), (429, "rate_limit", ""));
    assert_eq!(
        (
            refused[0].header("retry-after"),
            refused[0].header("stripe-should-retry")
        ),
        ("1", "true")
    );
    let request = sandbox.request("GET", "/v1/customers", OTHER_KEY, "");
    assert_eq!(sandbox.try_send(request).await.unwrap().status, 200);
    assert_eq!(sandbox.post("/v1/customers", "").await.status, 200);
    sandbox.stop().await;
}

async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut answers = Vec::new();
    for future in futures {
        answers.push(future.await);
    }
    answers
}
