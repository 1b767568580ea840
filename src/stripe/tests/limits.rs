//! Budgets, and Stripe's words about retries.

use super::{
    Answer, Duration, Fake, ObjectType, Stripe as _, StripeClient, StripeError, account, client,
    operation, with,
};

async fn read(client: &StripeClient, organization: &str) -> Result<(), StripeError> {
    let read = client.retrieve(organization, ObjectType::Invoice, "in_1");
    read.await.map(|_| ())
}

#[tokio::test]
async fn after_too_many_requests_the_account_waits_without_asking() {
    let fake = Fake::start([
        Answer::status(429, "{}").header("retry-after", "7"),
        Answer::json("{}"),
        Answer::json("{}"),
    ])
    .await;
    let client = client(&fake.base);
    let seven = Duration::from_secs(7);
    assert_eq!(
        read(&client, "default").await,
        Err(StripeError::RateLimited(seven))
    );
    let Err(StripeError::RateLimited(left)) = read(&client, "default").await else {
        panic!("the pause is not over")
    };
    assert!(left <= seven && left > Duration::from_secs(5), "{left:?}");
    assert_eq!(fake.requests().len(), 1);
    // Stripe counts by account, so its other organization waits, too.
    assert!(read(&client, "twin").await.is_err());
    assert_eq!(fake.requests().len(), 1);
    // Reads do not hold up writes, one account does not hold up another.
    client.perform("default", &operation(false)).await.unwrap();
    read(&client, "other").await.unwrap();
}

#[tokio::test]
async fn a_lock_pauses_the_caller_alone() {
    let lock = r#"{"error":{"code":"lock_timeout","message":"busy"}}"#;
    let fake = Fake::start([Answer::status(429, "{}"), Answer::json("{}")]).await;
    let locked = Fake::start([Answer::status(409, lock), Answer::json("{}")]).await;
    let two = Duration::from_secs(2);
    let client = client(&locked.base);
    assert_eq!(
        read(&client, "default").await,
        Err(StripeError::RateLimited(two))
    );
    read(&client, "default").await.unwrap();
    // Unlike too many requests, with the same pause.
    let client = super::client(&fake.base);
    assert_eq!(
        read(&client, "default").await,
        Err(StripeError::RateLimited(two))
    );
    assert!(read(&client, "default").await.is_err());
}

#[tokio::test]
async fn a_spent_budget_lets_nobody_wait_for_long() {
    let fake = Fake::start(vec![Answer::json("{}"); 8]).await;
    let client = with(&super::Account {
        rate_limit: 1,
        ..account(&fake.base)
    });
    let reads = (0..8).map(|_| read(&client, "default"));
    let answers = futures::future::join_all(reads).await;
    let sent: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    // One at once, one after a second, one after two; the others would wait for three.
    assert_eq!(sent, [true, true, true, false, false, false, false, false]);
    assert_eq!(fake.requests().len(), 3);
}

#[tokio::test]
async fn stripes_word_about_retries_goes_before_the_status() {
    let error = r#"{"error":{"type":"invalid_request_error","message":"no"}}"#;
    let said = |status, word: &'static str| {
        Answer::status(status, error)
            .header("stripe-should-retry", word)
            .header("request-id", "req_7")
    };
    let fake = Fake::start([
        said(400, "true"),
        said(503, "false"),
        Answer::status(503, error),
        Answer::status(400, error),
    ])
    .await;
    let client = client(&fake.base);
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(read(&client, "default").await.unwrap_err());
    }
    let refused = |error: &StripeError| matches!(error, StripeError::Refused { .. });
    let unavailable = |error: &StripeError| matches!(error, StripeError::Unavailable(_));
    assert!(unavailable(&answers[0]) && unavailable(&answers[2]));
    assert!(refused(&answers[3]));
    assert_eq!(
        answers[1],
        StripeError::Refused {
            status: 503,
            code: "invalid_request_error".to_owned(),
            message: "no".to_owned(),
            request_id: "req_7".to_owned(),
        }
    );
}
