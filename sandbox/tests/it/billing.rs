//! Subscriptions through time.

use serde_json::{Value, json};

use crate::support::{DAY, START, Sandbox, id, ids, start};

async fn subscription(sandbox: &Sandbox, id: &str) -> Value {
    sandbox.get(&format!("/v1/subscriptions/{id}")).await.ok()
}

async fn status(sandbox: &Sandbox, id: &str) -> String {
    subscription(sandbox, id).await["status"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn latest_invoice(sandbox: &Sandbox, subscription: &Value) -> Value {
    let id = subscription["latest_invoice"].as_str().unwrap();
    sandbox.get(&format!("/v1/invoices/{id}")).await.ok()
}

/// Every change was told: replaying the events gives the objects.
async fn events_add_up_to_the_truth(sandbox: &Sandbox) {
    let mut last = std::collections::BTreeMap::new();
    for (kind, event) in sandbox.events().await {
        let object = event["data"]["object"].clone();
        if !kind.ends_with(".deleted") || object["object"] == "subscription" {
            last.insert(id(&object), object);
        }
    }
    for kind in ["customer", "product", "price", "subscription", "invoice"] {
        let truth = sandbox
            .get(&format!("/stripe/truth?type={kind}"))
            .await
            .ok();
        for object in truth["data"].as_array().unwrap() {
            assert_eq!(last.get(&id(object)), Some(object), "{kind}");
        }
    }
}

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

#[tokio::test]
async fn a_trial_is_announced_and_then_charged() {
    let sandbox = start().await;
    let price = sandbox.price(500, "month").await;
    let customer = sandbox.customer("").await;
    let made = sandbox
        .subscribe(&customer, &price, "&trial_period_days=14")
        .await;
    assert_eq!(
        (&made["status"], &made["trial_end"]),
        (&json!("trialing"), &json!(START + 14 * 86_400))
    );
    assert_eq!(latest_invoice(&sandbox, &made).await["total"], json!(0));
    let skip = sandbox.events().await.len();
    sandbox.advance(11 * DAY).await;
    assert_eq!(
        sandbox.event_types(skip).await,
        ["customer.subscription.trial_will_end"]
    );
    sandbox.advance(3 * DAY).await;
    let now = subscription(&sandbox, &id(&made)).await;
    assert_eq!(now["status"], "active");
    assert_eq!(
        latest_invoice(&sandbox, &now).await["amount_paid"],
        json!(500)
    );
    events_add_up_to_the_truth(&sandbox).await;
    sandbox.stop().await;
}

#[tokio::test]
async fn a_trial_without_a_card_pauses_and_resumes() {
    let sandbox = start().await;
    let price = sandbox.price(500, "month").await;
    let customer = sandbox.customer("metadata[sandbox_card]=missing").await;
    let more = "&trial_period_days=1&trial_settings[end_behavior][missing_payment_method]=pause";
    let made = id(&sandbox.subscribe(&customer, &price, more).await);
    sandbox.advance(DAY).await;
    assert_eq!(status(&sandbox, &made).await, "paused");
    sandbox
        .post(
            &format!("/v1/customers/{customer}"),
            "metadata[sandbox_card]=",
        )
        .await
        .ok();
    let resumed = sandbox
        .post(&format!("/v1/subscriptions/{made}/resume"), "")
        .await
        .ok();
    assert_eq!(resumed["status"], "active");
    let types = sandbox.event_types(0).await;
    for wanted in [
        "customer.subscription.paused",
        "customer.subscription.resumed",
    ] {
        assert!(types.iter().any(|kind| kind == wanted), "{wanted}");
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn cancelling_at_the_period_end_keeps_the_period() {
    let sandbox = start().await;
    let price = sandbox.price(500, "month").await;
    let customer = sandbox.customer("").await;
    let made = id(&sandbox.subscribe(&customer, &price, "").await);
    let path = format!("/v1/subscriptions/{made}");
    let leaving = sandbox.post(&path, "cancel_at_period_end=true").await.ok();
    assert_eq!(leaving["cancel_at"], json!(START + 31 * 86_400));
    let staying = sandbox.post(&path, "cancel_at_period_end=false").await.ok();
    assert_eq!(
        (&staying["cancel_at"], &staying["canceled_at"]),
        (&Value::Null, &Value::Null)
    );
    sandbox.post(&path, "cancel_at_period_end=true").await.ok();
    sandbox.advance(31 * DAY - 1).await;
    assert_eq!(status(&sandbox, &made).await, "active");
    sandbox.advance(1).await;
    let over = subscription(&sandbox, &made).await;
    assert_eq!(
        (&over["status"], &over["ended_at"]),
        (&json!("canceled"), &json!(START + 31 * 86_400))
    );
    assert_eq!(
        ids(&sandbox
            .get(&format!("/v1/invoices?subscription={made}"))
            .await
            .ok())
        .len(),
        1
    );
    assert_eq!(
        sandbox
            .post(&path, "cancel_at_period_end=false")
            .await
            .status,
        400
    );
    assert_eq!(
        sandbox.delete(&path).await.error(),
        (404, "resource_missing", "id")
    );
    events_add_up_to_the_truth(&sandbox).await;
    sandbox.stop().await;
}

#[tokio::test]
async fn paused_collection_keeps_the_status_and_ends_on_time() {
    let sandbox = start().await;
    let price = sandbox.price(500, "month").await;
    let customer = sandbox.customer("").await;
    let made = id(&sandbox.subscribe(&customer, &price, "").await);
    let resumes = START + 40 * 86_400;
    let form = format!("pause_collection[behavior]=void&pause_collection[resumes_at]={resumes}");
    let paused = sandbox
        .post(&format!("/v1/subscriptions/{made}"), &form)
        .await
        .ok();
    assert_eq!(
        (&paused["status"], &paused["pause_collection"]["behavior"]),
        (&json!("active"), &json!("void"))
    );
    sandbox.advance(31 * DAY).await;
    assert_eq!(
        latest_invoice(&sandbox, &subscription(&sandbox, &made).await).await["status"],
        "void"
    );
    sandbox.advance(9 * DAY).await;
    assert_eq!(
        subscription(&sandbox, &made).await["pause_collection"],
        Value::Null
    );
    events_add_up_to_the_truth(&sandbox).await;
    sandbox.stop().await;
}

#[tokio::test]
async fn an_upgrade_is_billed_for_the_rest_of_the_period() {
    let sandbox = start().await;
    let (small, big) = (
        sandbox.price(1_000, "month").await,
        sandbox.price(3_000, "month").await,
    );
    let yearly = sandbox.price(30_000, "year").await;
    let customer = sandbox.customer("").await;
    let made = sandbox.subscribe(&customer, &small, "").await;
    let item = made["items"]["data"][0]["id"].as_str().unwrap();
    let path = format!("/v1/subscriptions/{}", id(&made));
    let change = |price: &str| {
        format!("items[0][id]={item}&items[0][price]={price}&proration_behavior=always_invoice")
    };
    // 10 of 31 days are over.
    sandbox.advance(10 * DAY).await;
    let up = sandbox.post(&path, &change(&big)).await.ok();
    assert_eq!(
        (
            &up["items"]["data"][0]["price"]["id"],
            &up["items"]["data"][0]["id"]
        ),
        (&json!(big), &json!(item))
    );
    let invoice = latest_invoice(&sandbox, &up).await;
    assert_eq!(
        (&invoice["billing_reason"], &invoice["amount_paid"]),
        (&json!("subscription_update"), &json!(2_032 - 677))
    );
    // Down again: the credit waits with the customer and the next invoice takes it.
    sandbox.post(&path, &change(&small)).await.ok();
    let owner = format!("/v1/customers/{customer}");
    assert_eq!(
        sandbox.get(&owner).await.ok()["balance"],
        json!(677 - 2_032)
    );
    sandbox.advance(21 * DAY).await;
    assert_eq!(
        sandbox.get(&owner).await.ok()["balance"],
        json!(677 - 2_032 + 1_000)
    );
    // Another interval begins a new period now.
    let year = sandbox
        .post(
            &path,
            &format!("items[0][id]={item}&items[0][price]={yearly}"),
        )
        .await
        .ok();
    assert_eq!(
        year["items"]["data"][0]["current_period_end"],
        json!(START + (31 + 365) * 86_400)
    );
    events_add_up_to_the_truth(&sandbox).await;
    sandbox.stop().await;
}

#[tokio::test]
async fn several_items_add_up_and_can_be_found_by_price() {
    let sandbox = start().await;
    let (one, two) = (
        sandbox.price(1_000, "month").await,
        sandbox.price(500, "month").await,
    );
    let yearly = sandbox.price(9_000, "year").await;
    let customer = sandbox.customer("").await;
    let made = sandbox
        .subscribe(
            &customer,
            &one,
            &format!("&items[1][price]={two}&items[1][quantity]=2"),
        )
        .await;
    assert_eq!(latest_invoice(&sandbox, &made).await["total"], json!(2_000));
    let by_price = |price: &str| format!("/v1/subscriptions?price={price}");
    assert_eq!(ids(&sandbox.get(&by_price(&two)).await.ok()), [id(&made)]);
    let removed = made["items"]["data"][1]["id"].as_str().unwrap();
    let path = format!("/v1/subscriptions/{}", id(&made));
    sandbox
        .post(
            &path,
            &format!("items[0][id]={removed}&items[0][deleted]=true"),
        )
        .await
        .ok();
    assert_eq!(
        ids(&sandbox.get(&by_price(&two)).await.ok()),
        Vec::<String>::new()
    );
    let mixed = sandbox
        .post(&path, &format!("items[0][price]={yearly}"))
        .await;
    assert_eq!(mixed.error(), (400, "", "items"));
    sandbox.stop().await;
}

#[tokio::test]
async fn an_unpaid_first_invoice_expires_after_23_hours() {
    let sandbox = start().await;
    let price = sandbox.price(500, "month").await;
    let customer = sandbox.customer("metadata[sandbox_card]=fails").await;
    let made = sandbox.subscribe(&customer, &price, "").await;
    assert_eq!(made["status"], "incomplete");
    sandbox.advance(23 * 3_600).await;
    let now = subscription(&sandbox, &id(&made)).await;
    assert_eq!(now["status"], "incomplete_expired");
    assert_eq!(latest_invoice(&sandbox, &now).await["status"], "void");
    events_add_up_to_the_truth(&sandbox).await;
    sandbox.stop().await;
}
