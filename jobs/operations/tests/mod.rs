//! Operations on both databases, against a Stripe that says what it is told.

mod catalog;
mod checkout;
mod doubt;
mod orders;

use serde_json::{Value, json};

use super::{
    Order, Orderer, Refusal, order,
    requests::PauseBehavior,
    store::{self, Filter, Row},
};
use crate::{
    FAMILIES,
    kernel::{Registry, outbox::NewJob, ports::ObjectType},
    sync::FetchObject,
    testing::{Call, TestDb},
};

const ME: Orderer<'static> = Orderer {
    organization: "default",
    actor: "key_test",
};

fn registry() -> Registry {
    Registry::of(FAMILIES)
}

fn subscription(status: &str) -> Value {
    let price = json!({ "id": "price_1", "object": "price", "currency": "usd", "product": "prod_a",
        "unit_amount": 999, "recurring": { "interval": "month", "interval_count": 1 } });
    json!({ "id": "sub_1", "object": "subscription", "created": 1_760_000_100, "livemode": false,
        "customer": "cus_1", "status": status, "start_date": 1_760_000_100, "currency": "usd",
        "cancel_at_period_end": false, "metadata": {},
        "items": { "object": "list", "data": [{ "id": "si_1", "quantity": 1, "price": price,
            "current_period_start": 1_760_000_100, "current_period_end": 1_862_600_000 }] } })
}

/// The same with other fields.
fn with(mut object: Value, fields: &Value) -> Value {
    for (name, value) in fields.as_object().unwrap() {
        object[name] = value.clone();
    }
    object
}

/// Makes an object known at the fake Stripe and in the mirror.
async fn mirror(db: &TestDb, object: &Value) {
    db.stripe.put(object);
    let word = |name: &str| object[name].as_str().unwrap();
    let job = FetchObject::of(ObjectType::parse(word("object")).unwrap(), word("id"));
    db.enqueue(NewJob::of("default", &job).unwrap()).await;
    db.drain(&registry()).await;
    db.advance(std::time::Duration::from_secs(1));
}

/// A member whose subscription `sub_1` has this status.
async fn member(db: &TestDb, status: &str) {
    let customer = json!({ "id": "cus_1", "object": "customer", "created": 1_760_000_000, "livemode": false,
        "email": "jane@example.com", "name": "Jane", "metadata": {} });
    mirror(db, &customer).await;
    mirror(db, &subscription(status)).await;
    db.stripe.forget_calls();
}

fn cancel(at_period_end: bool) -> Order {
    Order::CancelSubscription {
        id: "sub_1".to_owned(),
        at_period_end,
        comment: None,
        feedback: None,
    }
}

fn pause() -> Order {
    Order::PauseSubscription {
        id: "sub_1".to_owned(),
        behavior: PauseBehavior::Void,
        resumes_at: None,
    }
}

fn resume() -> Order {
    Order::ResumeSubscription {
        id: "sub_1".to_owned(),
    }
}

async fn ordered(db: &TestDb, wanted: &Order) -> Result<String, Refusal> {
    let mut tx = db.env.db.begin().await.unwrap();
    let ids = order(&mut tx, &db.env, ME, wanted)
        .await
        .unwrap()?
        .operations;
    tx.commit().await.unwrap();
    assert_eq!(ids.len(), 1);
    Ok(ids.into_iter().next().unwrap())
}

async fn row(db: &TestDb, id: &str) -> Row {
    store::get(&db.env.db, "default", id)
        .await
        .unwrap()
        .unwrap()
}

async fn rows(db: &TestDb) -> Vec<Row> {
    store::list(&db.env.db, "default", &Filter::default(), None, 100)
        .await
        .unwrap()
}

/// Idempotency key, path and form of a write.
type Write = (String, String, Vec<(String, String)>);

/// Every write that Stripe was asked for.
fn writes(db: &TestDb) -> Vec<Write> {
    let writes = db.stripe.calls().into_iter().filter_map(|call| match call {
        Call::Perform(_, operation) => {
            Some((operation.idempotency_key, operation.path, operation.form))
        }
        _ => None,
    });
    writes.collect()
}

fn field(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}
