//! Webhooks as the daemon would receive them.

use memberd_sandbox::signature;
use serde_json::{Value, json};

use crate::support::{Receiver, Sandbox, id, start, until};

const SECRET: &str = "whsec_test";

async fn with_receiver() -> (Sandbox, Receiver) {
    let (sandbox, receiver) = (start().await, Receiver::default());
    let url = receiver.listen().await;
    sandbox
        .post_json(
            "/stripe/webhook_endpoints",
            &json!({"url": url, "secret": SECRET}),
        )
        .await
        .ok();
    (sandbox, receiver)
}

async fn drained(sandbox: &Sandbox) -> Value {
    until("no delivery is pending", || async {
        let stats = sandbox.get("/stripe/deliveries").await.ok();
        (stats["pending"] == json!(0)).then_some(stats)
    })
    .await
}

fn timestamp(header: &str) -> i64 {
    header
        .strip_prefix("t=")
        .unwrap()
        .split_once(',')
        .unwrap()
        .0
        .parse()
        .unwrap()
}

#[tokio::test]
async fn deliveries_are_the_event_byte_for_byte_and_signed() {
    let (sandbox, receiver) = with_receiver().await;
    sandbox.customer("email=a@example.com").await;
    receiver.wait_for(1).await;
    let (header, body) = receiver.got().remove(0);
    assert_eq!(header, signature::header(SECRET, timestamp(&header), &body));
    let event: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(event["pending_webhooks"], json!(1));
    assert_eq!(
        event,
        sandbox
            .get(&format!("/v1/events/{}", id(&event)))
            .await
            .ok()
    );
    let stats = drained(&sandbox).await;
    assert_eq!(
        (&stats["delivered"], &stats["latency_ms"]["count"]),
        (&json!(1), &json!(1))
    );
    assert!(stats["latency_ms"]["p99"].as_f64().unwrap() > 0.0);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_refused_delivery_comes_again() {
    let (sandbox, receiver) = with_receiver().await;
    receiver.refuse_first(&[500, 503]);
    sandbox.customer("").await;
    let stats = drained(&sandbox).await;
    assert_eq!(
        (receiver.got().len(), &stats["attempts_failed"]),
        (3, &json!(2))
    );
    assert_eq!(stats["last_error"], "status 503");
    let ids = receiver.event_ids();
    assert!(ids.iter().all(|id| *id == ids[0]));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_standing_chaos_drops_and_doubles_by_seed() {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let (sandbox, receiver) = with_receiver().await;
        let knobs = json!({"duplicate": 0.3, "drop": 0.2, "shuffle": 8});
        sandbox.post_json("/stripe/chaos", &knobs).await.ok();
        for _ in 0..40 {
            sandbox.customer("").await;
        }
        let stats = drained(&sandbox).await;
        let (dropped, doubled) = (
            stats["dropped"].as_u64().unwrap(),
            stats["duplicated"].as_u64().unwrap(),
        );
        assert!(dropped > 0 && doubled > 0, "{stats}");
        assert_eq!(receiver.got().len() as u64, 40 - dropped + doubled);
        let mut ids = receiver.event_ids();
        ids.sort();
        seen.push(ids);
        sandbox.stop().await;
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn a_scenario_under_chaos_delivers_every_event_it_did_not_drop() {
    let (sandbox, receiver) = with_receiver().await;
    let chaos =
        json!({"name": "busy_day", "events": 200, "duplicate": 0.2, "shuffle": 16, "delay_ms": 50});
    let played = sandbox.post_json("/stripe/chaos", &chaos).await.ok();
    assert!(
        played["events"].as_u64().unwrap() >= 200 && played["duplicated"].as_u64().unwrap() > 0,
        "{played}"
    );
    let stats = drained(&sandbox).await;
    assert_eq!(stats["delivered"], stats["planned"]);
    let mut ids = receiver.event_ids();
    let arrived = ids.clone();
    ids.sort();
    ids.dedup();
    let made: Vec<String> = sandbox
        .events()
        .await
        .iter()
        .map(|(_, event)| id(event))
        .collect();
    assert_ne!(arrived, made);
    let mut sorted = made.clone();
    sorted.sort();
    assert_eq!(ids, sorted);
    // The knobs went back.
    let before = receiver.got().len();
    sandbox.customer("").await;
    drained(&sandbox).await;
    assert_eq!(receiver.got().len(), before + 1);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_replay_is_the_same_event_with_the_wanted_age() {
    let (sandbox, receiver) = with_receiver().await;
    sandbox.customer("").await;
    drained(&sandbox).await;
    let event = receiver.event_ids().remove(0);
    let body = json!({"event": event, "times": 3, "age_seconds": 400});
    let sent = sandbox.post_json("/stripe/replay", &body).await.ok();
    let statuses: Vec<&Value> = sent["sent"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["status"])
        .collect();
    assert_eq!(statuses, [&json!(200); 3]);
    let got = receiver.got();
    assert_eq!(got.len(), 4);
    assert_eq!(got[0].1, got[3].1);
    assert!(timestamp(&got[3].0) <= timestamp(&got[0].0) - 390);
    assert_eq!(
        got[3].0,
        signature::header(SECRET, timestamp(&got[3].0), &got[3].1)
    );
    let unknown = sandbox
        .post_json("/stripe/replay", &json!({"event": "evt_no"}))
        .await;
    assert_eq!(
        (unknown.status, &unknown.json["error"]["field"]),
        (400, &json!("event"))
    );
    sandbox.stop().await;
}

#[tokio::test]
async fn endpoints_take_what_they_asked_for_until_they_are_removed() {
    let (sandbox, receiver) = (start().await, Receiver::default());
    let url = receiver.listen().await;
    let body = json!({"url": url, "events": ["customer.updated"]});
    let made = sandbox
        .post_json("/stripe/webhook_endpoints", &body)
        .await
        .ok();
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    // The same url again replaces.
    let again = sandbox
        .post_json("/stripe/webhook_endpoints", &body)
        .await
        .ok();
    let list = sandbox.get("/stripe/webhook_endpoints").await.ok();
    assert_eq!(list["endpoints"].as_array().unwrap().len(), 1);
    let customer = sandbox.customer("").await;
    sandbox
        .post(&format!("/v1/customers/{customer}"), "name=Ada")
        .await
        .ok();
    drained(&sandbox).await;
    assert_eq!(receiver.got().len(), 1);
    sandbox
        .delete(&format!("/stripe/webhook_endpoints/{}", id(&again)))
        .await
        .ok();
    sandbox
        .post(&format!("/v1/customers/{customer}"), "name=Bob")
        .await
        .ok();
    assert_eq!(
        (
            drained(&sandbox).await["events"].clone(),
            receiver.got().len()
        ),
        (json!(3), 1)
    );
    sandbox.stop().await;
}

#[tokio::test]
async fn webhooks_posted_to_a_name_are_shown_with_their_headers() {
    let sandbox = start().await;
    let post = |name: &str, id: &str| {
        let url = format!("{}/hooks/{name}", sandbox.base);
        let request = sandbox.client.post(url).header("webhook-id", id);
        request
            .header("webhook-signature", "v1,abc")
            .body(format!("{{\"n\": \"{id}\"}}"))
    };
    for id in ["evt_1", "evt_2"] {
        assert_eq!(post("mine", id).send().await.unwrap().status(), 204);
    }
    post("other", "evt_3").send().await.unwrap();
    let shown = sandbox.get("/hooks/mine").await.ok();
    let [first, second] = shown["data"].as_array().unwrap().as_slice() else {
        panic!("{shown}");
    };
    assert_eq!(
        (&first["webhook_id"], &second["webhook_id"]),
        (&json!("evt_1"), &json!("evt_2"))
    );
    assert_eq!(
        (&first["webhook_signature"], &first["body"]),
        (&json!("v1,abc"), &json!("{\"n\": \"evt_1\"}"))
    );
    assert_eq!(sandbox.get("/hooks/nobody").await.ok()["data"], json!([]));
    sandbox.stop().await;
}
