//! What was charged is given back.

use serde_json::{Value, json};

use crate::{
    checkout::{once, open, visit},
    support::{Sandbox, id, ids, start},
};

/// Two mugs that somebody bought: the payment and its charge.
async fn sold(sandbox: &Sandbox, price: &str) -> (String, Value) {
    let session = open(sandbox, "payment", price, "").await;
    let typed = json!({"email": "guest@example.com"});
    let paid = visit(sandbox, &session, typed).await["session"].clone();
    let intent = paid["payment_intent"].as_str().unwrap().to_owned();
    let charges = sandbox.get("/v1/charges").await.ok();
    (intent, charges["data"][0].clone())
}

#[tokio::test]
async fn charges_are_given_back_in_parts() {
    let sandbox = start().await;
    let price = once(&sandbox).await;
    let (intent, charge) = sold(&sandbox, &price).await;
    let skip = sandbox.events().await.len();
    let part = format!(
        "charge={}&amount=400&reason=requested_by_customer&metadata[a]=b",
        id(&charge)
    );
    let part = sandbox.post("/v1/refunds", &part).await.ok();
    assert_eq!(
        [
            &part["status"],
            &part["charge"],
            &part["reason"],
            &part["metadata"]["a"]
        ],
        [
            &json!("succeeded"),
            &charge["id"],
            &json!("requested_by_customer"),
            &json!("b")
        ]
    );
    let too_much = format!("charge={}&amount=1001", id(&charge));
    assert_eq!(
        sandbox.post("/v1/refunds", &too_much).await.error(),
        (400, "", "amount")
    );
    let rest = sandbox
        .post("/v1/refunds", &format!("payment_intent={intent}"))
        .await
        .ok();
    assert_eq!(rest["amount"], json!(1_000));
    let whole = sandbox
        .get(&format!("/v1/charges/{}", id(&charge)))
        .await
        .ok();
    assert_eq!(
        (&whole["refunded"], &whole["amount_refunded"]),
        (&json!(true), &json!(1_400))
    );
    let told = [
        "refund.created",
        "charge.refunded",
        "refund.created",
        "charge.refunded",
    ];
    assert_eq!(sandbox.event_types(skip).await, told);
    let again = sandbox
        .post("/v1/refunds", &format!("payment_intent={intent}"))
        .await;
    assert_eq!(again.error(), (400, "charge_already_refunded", ""));
    assert_eq!(
        sandbox.post("/v1/refunds", "").await.error(),
        (400, "parameter_missing", "")
    );
    let list = sandbox
        .get(&format!("/v1/refunds?charge={}", id(&charge)))
        .await
        .ok();
    assert_eq!(ids(&list), [id(&rest), id(&part)]);
    let noted = sandbox
        .post(&format!("/v1/refunds/{}", id(&part)), "metadata[a]=c")
        .await
        .ok();
    assert_eq!(noted["metadata"]["a"], "c");
    sandbox.stop().await;
}
