//! Subscriptions through time.

use serde_json::json;

use crate::{
    billing_support::{events_add_up_to_the_truth, latest_invoice, status, subscription},
    support::{DAY, START, id, ids, start},
};

#[tokio::test]
async fn a_first_payment_makes_a_subscription_active() {
    let sandbox = start().await;
    let price = sandbox.price(500, "month").await;
    let customer = sandbox.customer("").await;
    let skip = sandbox.events().await.len();
    let made = sandbox
        .subscribe(&customer, &price, "&items[0][quantity]=3")
        .await;
    assert_eq!(made["status"], "active");
    // 1 October plus a month.
    assert_eq!(
        made["items"]["data"][0]["current_period_end"],
        json!(START + 31 * 86_400)
    );
    let invoice = latest_invoice(&sandbox, &made).await;
    assert_eq!(
        (&invoice["status"], &invoice["amount_paid"]),
        (&json!("paid"), &json!(1_500))
    );
    assert_eq!(invoice["billing_reason"], "subscription_create");
    assert_eq!(
        sandbox.event_types(skip).await,
        [
            "customer.subscription.created",
            "customer.updated",
            "invoice.created",
            "invoice.finalized",
            "charge.succeeded",
            "invoice_payment.paid",
            "invoice.updated",
            "invoice.paid",
            "invoice.payment_succeeded",
            "customer.subscription.updated",
        ]
    );
    let events = sandbox.events().await;
    assert_eq!(events[skip].1["data"]["object"]["status"], "incomplete");
    let previous = json!({"status": "incomplete", "latest_invoice": null});
    assert_eq!(
        events.last().unwrap().1["data"]["previous_attributes"],
        previous
    );
    events_add_up_to_the_truth(&sandbox).await;
    sandbox.stop().await;
}

#[tokio::test]
async fn subscriptions_renew_when_the_clock_moves() {
    let sandbox = start().await;
    let price = sandbox.price(500, "month").await;
    let customer = sandbox.customer("").await;
    let made = id(&sandbox.subscribe(&customer, &price, "").await);
    let clock = sandbox.advance(93 * DAY).await;
    assert_eq!(clock["now"], json!(START + 93 * 86_400));
    let now = subscription(&sandbox, &made).await;
    // Renewed on 1 November, 1 December, 1 January.
    let item = &now["items"]["data"][0];
    assert_eq!(item["current_period_start"], json!(START + 92 * 86_400));
    assert_eq!(item["current_period_end"], json!(START + 123 * 86_400));
    let invoices = sandbox
        .get(&format!("/v1/invoices?subscription={made}&status=paid"))
        .await
        .ok();
    let created: Vec<i64> = invoices["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|invoice| invoice["created"].as_i64().unwrap())
        .collect();
    assert_eq!(created, [92, 61, 31, 0].map(|day| START + day * 86_400));
    assert_eq!(invoices["data"][0]["billing_reason"], "subscription_cycle");
    assert_eq!(invoices["data"][0]["id"], now["latest_invoice"]);
    events_add_up_to_the_truth(&sandbox).await;
    sandbox.stop().await;
}

#[tokio::test]
async fn one_long_step_of_the_clock_does_what_many_short_ones_do() {
    let mut truths = Vec::new();
    for steps in [1, 120] {
        let sandbox = start().await;
        sandbox
            .post_json("/stripe/world", &json!({"members": 40}))
            .await
            .ok();
        for _ in 0..steps {
            sandbox.advance_at_once(120 * DAY / steps).await;
        }
        truths.push(sandbox.truth().await);
        sandbox.stop().await;
    }
    assert!(truths[0] == truths[1]);
}

#[tokio::test]
async fn a_failing_card_leads_through_past_due_to_the_end() {
    let sandbox = start().await;
    let price = sandbox.price(500, "month").await;
    let customer = sandbox.customer("").await;
    let made = id(&sandbox.subscribe(&customer, &price, "").await);
    sandbox
        .post(
            &format!("/v1/customers/{customer}"),
            "metadata[sandbox_card]=fails",
        )
        .await
        .ok();
    sandbox.advance(31 * DAY).await;
    assert_eq!(status(&sandbox, &made).await, "past_due");
    let owner = sandbox.get(&format!("/v1/customers/{customer}")).await.ok();
    assert_eq!(owner["delinquent"], json!(true));
    sandbox.advance(14 * DAY).await;
    assert_eq!(status(&sandbox, &made).await, "past_due");
    sandbox.advance(DAY).await;
    let over = subscription(&sandbox, &made).await;
    assert_eq!(
        (&over["status"], &over["cancellation_details"]["reason"]),
        (&json!("canceled"), &json!("payment_failed"))
    );
    let invoice = latest_invoice(&sandbox, &over).await;
    assert_eq!(
        (&invoice["status"], &invoice["attempt_count"]),
        (&json!("open"), &json!(4))
    );
    let failed = sandbox
        .get("/v1/events?type=invoice.payment_failed")
        .await
        .ok();
    assert_eq!(ids(&failed).len(), 4);
    let charges = sandbox
        .get(&format!("/v1/charges?customer={customer}"))
        .await
        .ok();
    let charges = charges["data"].as_array().unwrap().clone();
    let states: Vec<&str> = charges
        .iter()
        .map(|charge| charge["status"].as_str().unwrap())
        .collect();
    assert_eq!(
        states,
        ["failed", "failed", "failed", "failed", "succeeded"]
    );
    assert_eq!(
        (&charges[0]["failure_code"], &charges[0]["amount_captured"]),
        (&json!("card_declined"), &json!(0))
    );
    assert_eq!(
        ids(&sandbox.get("/v1/events?type=charge.failed").await.ok()).len(),
        4
    );
    assert_eq!(
        ids(&sandbox.get("/v1/subscriptions").await.ok()),
        Vec::<String>::new()
    );
    assert_eq!(
        ids(&sandbox.get("/v1/subscriptions?status=all").await.ok()),
        [made]
    );
    events_add_up_to_the_truth(&sandbox).await;
    sandbox.stop().await;
}

#[tokio::test]
async fn a_past_due_subscription_recovers_by_retry_or_by_hand() {
    let sandbox = start().await;
    let price = sandbox.price(500, "month").await;
    let mut made = Vec::new();
    for _ in 0..2 {
        let customer = sandbox.customer("").await;
        let subscription = id(&sandbox.subscribe(&customer, &price, "").await);
        sandbox
            .post(
                &format!("/v1/customers/{customer}"),
                "metadata[sandbox_card]=fails",
            )
            .await
            .ok();
        made.push((customer, subscription));
    }
    sandbox.advance(31 * DAY).await;
    let open = sandbox
        .get(&format!("/v1/invoices?status=open&customer={}", made[0].0))
        .await
        .ok();
    let pay = format!(
        "/v1/invoices/{}/pay",
        open["data"][0]["id"].as_str().unwrap()
    );
    assert_eq!(
        sandbox.post(&pay, "").await.error(),
        (402, "card_declined", "")
    );
    for (customer, _) in &made {
        sandbox
            .post(
                &format!("/v1/customers/{customer}"),
                "metadata[sandbox_card]=",
            )
            .await
            .ok();
    }
    assert_eq!(sandbox.post(&pay, "").await.ok()["status"], "paid");
    assert_eq!(status(&sandbox, &made[0].1).await, "active");
    assert_eq!(sandbox.post(&pay, "").await.status, 400);
    assert_eq!(status(&sandbox, &made[1].1).await, "past_due");
    sandbox.advance(3 * DAY).await;
    assert_eq!(status(&sandbox, &made[1].1).await, "active");
    events_add_up_to_the_truth(&sandbox).await;
    sandbox.stop().await;
}
