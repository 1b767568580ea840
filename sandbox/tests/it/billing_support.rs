//! What tests of billing ask.

use serde_json::Value;

use crate::support::{Sandbox, id};

pub(crate) async fn subscription(sandbox: &Sandbox, id: &str) -> Value {
    sandbox.get(&format!("/v1/subscriptions/{id}")).await.ok()
}

pub(crate) async fn status(sandbox: &Sandbox, id: &str) -> String {
    subscription(sandbox, id).await["status"]
        .as_str()
        .unwrap()
        .to_owned()
}

pub(crate) async fn latest_invoice(sandbox: &Sandbox, subscription: &Value) -> Value {
    let id = subscription["latest_invoice"].as_str().unwrap();
    sandbox.get(&format!("/v1/invoices/{id}")).await.ok()
}

/// Every change was told: replaying the events gives the objects.
pub(crate) async fn events_add_up_to_the_truth(sandbox: &Sandbox) {
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
