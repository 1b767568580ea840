//! Accounts that are connected to another.

use serde_json::json;

use crate::support::{KEY, OTHER_KEY, Receiver, ids, start, until};

const CONNECTED: &str = "acct_1SandboxCreator03";

#[tokio::test]
async fn a_platforms_key_opens_the_accounts_that_are_connected_to_it() {
    let sandbox = start().await;
    let ask = |method: &str, key: &str, body: &str| {
        let request = sandbox.request(method, "/v1/customers", key, body);
        sandbox.try_send(request.header("stripe-account", CONNECTED))
    };
    let made = ask("POST", KEY, "name=Ada").await.unwrap().ok();
    let theirs = ask("GET", KEY, "").await.unwrap().ok();
    assert_eq!(ids(&theirs), [made["id"].as_str().unwrap()]);
    let ours = sandbox.get("/v1/customers").await.ok();
    assert_eq!(ids(&ours), Vec::<String>::new());
    assert_eq!(ask("GET", OTHER_KEY, "").await.unwrap().status, 403);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_connect_endpoint_hears_which_account_an_event_is_of() {
    let (sandbox, receiver) = (start().await, Receiver::default());
    let url = receiver.listen().await;
    let endpoint = |account: Option<&str>| json!({"url": url, "account": account, "connect": true});
    let path = "/stripe/webhook_endpoints";
    let refused = sandbox.post_json(path, &endpoint(None)).await;
    assert_eq!(
        (refused.status, &refused.json["error"]["field"]),
        (400, &json!("connect"))
    );
    sandbox
        .post_json(path, &endpoint(Some(CONNECTED)))
        .await
        .ok();
    let request = sandbox.request("POST", "/v1/customers", KEY, "name=Ada");
    let made = sandbox
        .try_send(request.header("stripe-account", CONNECTED))
        .await;
    let made = made.unwrap().ok();
    let got = until("the event has arrived", || async { receiver.got().pop() }).await;
    let event: serde_json::Value = serde_json::from_slice(&got.1).unwrap();
    assert_eq!(event["account"], CONNECTED);
    assert_eq!(event["data"]["object"], made);
    sandbox.stop().await;
}
