//! Reading Stripe's JSON in its old and new shapes, and whatever it may become.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{invoice, subscription};
use crate::{kernel::Timestamp, sync::model};

#[test]
fn a_period_is_read_from_the_items_and_from_the_subscription() {
    let new = model::subscription(&subscription("sub_1", "cus_1", "prod_a", "active")).unwrap();
    assert_eq!(new.facts.period_end, Some(Timestamp::from_seconds(1_762_600_000)));
    let old = json!({ "id": "sub_1", "customer": { "id": "cus_1" }, "status": "active", "created": 5, "start_date": 6,
        "current_period_start": 7, "current_period_end": 8, "billing": "send_invoice",
        "items": { "data": [{ "id": "si_1", "plan": { "id": "plan_1", "amount": 500, "currency": "eur",
            "interval": "year", "interval_count": 1, "product": "prod_a" } }] } });
    let old = model::subscription(&old).unwrap();
    assert_eq!((old.customer_id.as_str(), old.collection_method.as_deref()), ("cus_1", Some("send_invoice")));
    assert_eq!(old.facts.period_start, Some(Timestamp::from_seconds(7)));
    assert_eq!((old.items[0].price.unit_amount, old.items[0].quantity), (Some(500), 1));
    assert_eq!(old.currency.as_deref(), Some("eur"));
}

#[test]
fn an_invoice_names_its_subscription_in_either_place() {
    let new = model::invoice(&invoice("in_1", "cus_1", "sub_1", "paid")).unwrap();
    let old = model::invoice(&json!({ "id": "in_1", "subscription": "sub_1", "created": 1 })).unwrap();
    assert_eq!((new.subscription_id, old.subscription_id.as_deref()), (Some("sub_1".to_owned()), Some("sub_1")));
    assert_eq!(model::invoice(&json!({ "object": "invoice", "total": 5 })), None, "a preview has no id");
}

#[test]
fn a_thin_event_names_its_object() {
    let thin = json!({ "id": "evt_1", "object": "v2.core.event", "type": "v1.customer.updated",
        "created": "2026-01-15T10:30:00Z", "livemode": true, "context": "acct_1",
        "related_object": { "id": "cus_1", "type": "customer" } });
    let facts = model::event(&thin).unwrap();
    assert_eq!(facts.object, Some(("customer".to_owned(), "cus_1".to_owned())));
    assert_eq!((facts.livemode, facts.account.as_deref()), (true, Some("acct_1")));
}

pub(super) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[a-z]{1,6}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_field_may_be_anything_without_an_error(
        field in "status|created|start_date|items|cancel_at|pause_collection|latest_invoice|currency|new_field",
        value in any_json(),
    ) {
        let mut object = subscription("sub_1", "cus_1", "prod_a", "active");
        object[field] = value;
        prop_assert!(model::subscription(&object).is_some());
    }
}
