//! Trials, pauses, cancellations, upgrades, items.

use serde_json::{Value, json};

use crate::{
    billing_support::{events_add_up_to_the_truth, latest_invoice, status, subscription},
    support::{DAY, START, id, ids, start},
};

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
    // A change of something else does not announce it twice.
    let path = format!("/v1/subscriptions/{}", id(&made));
    sandbox.post(&path, "metadata[a]=b").await.ok();
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
