//! What was paid, read together from invoices, charges and the word that one belongs to the other.

use serde_json::{Value, json};

use super::{customer, old_event as event, invoice, price, product, receive, registry, subscription};
use crate::{
    both,
    members::{Whose, store as members},
    sync::store::read::{self, PurchaseRow},
    testing::TestDb,
};

fn charge(id: &str, intent: &str, amount: i64, refunded: i64) -> Value {
    json!({ "id": id, "object": "charge", "created": 1_760_000_300, "amount": amount, "amount_captured": amount,
            "amount_refunded": refunded, "currency": "usd", "customer": "cus_1", "payment_intent": intent, "paid": true,
            "status": "succeeded" })
}

fn payment(intent: &str, invoice: &str) -> Value {
    json!({ "id": format!("inpay_{intent}"), "object": "invoice_payment", "created": 1_760_000_300, "invoice": invoice,
            "currency": "usd", "amount_requested": 999, "amount_paid": 999, "status": "paid",
            "payment": { "type": "payment_intent", "payment_intent": intent } })
}

async fn tell(db: &TestDb, objects: &[Value]) {
    for object in objects {
        db.stripe.put(object);
        let id = format!("evt_{}_{}", object["id"].as_str().unwrap(), db.env.now().0);
        receive(db, &event(&id, "any.change", object)).await;
        db.drain(&registry()).await;
        db.advance(std::time::Duration::from_secs(2));
    }
}

/// A member whose subscription's invoice was paid by `pi_1`, and who paid once more without an invoice.
fn world() -> Vec<Value> {
    let mut billed = invoice("in_1", "cus_1", "sub_1", "paid");
    billed["lines"] = json!({ "data": [{ "amount": 999, "pricing": { "price_details": { "price": "price_1", "product": "prod_a" } } }] });
    let mut open = invoice("in_open", "cus_1", "sub_1", "open");
    open["amount_paid"] = json!(0);
    let mut failed = charge("ch_failed", "pi_3", 500, 0);
    failed["status"] = json!("failed");
    vec![
        product("prod_a", false), price("price_1", "prod_a", 999), customer("cus_1"), customer("cus_2"),
        subscription("sub_1", "cus_1", "prod_a", "active"), billed, open, payment("pi_1", "in_1"),
        charge("ch_1", "pi_1", 999, 0), charge("ch_2", "pi_2", 500, 0), failed,
    ]
}

async fn purchases(db: &TestDb, member: Option<&str>) -> Vec<PurchaseRow> {
    read::purchases(&db.env.db, "default", db.env.now(), Whose { member, creator: None }, None, 10).await.unwrap()
}

fn ids(rows: &[PurchaseRow]) -> Vec<&str> {
    rows.iter().map(|row| row.source_id.as_str()).collect()
}

both! {
    async fn a_purchase_is_an_invoice_or_what_no_invoice_asked_for(db: TestDb) {
        tell(&db, &world()).await;
        let all = purchases(&db, None).await;
        assert_eq!(ids(&all), ["ch_2", "in_1"], "newest first, and the invoice's charge is not a second one");
        let bought = &all[1];
        assert_eq!((bought.amount, bought.amount_refunded, bought.currency.as_str()), (999, 0, "usd"));
        assert_eq!((bought.price_id.as_deref(), bought.plan_name.as_deref()), (Some("price_1"), Some("Tier prod_a")));
        assert_eq!((bought.has_active_entitlement, all[0].has_active_entitlement), (true, false));
        let member = members::resolve(&db.env.db, "default", "ext:stripe:cus_1").await.unwrap().unwrap();
        let other = members::resolve(&db.env.db, "default", "ext:stripe:cus_2").await.unwrap().unwrap();
        assert_eq!(ids(&purchases(&db, Some(&member)).await), ["ch_2", "in_1"]);
        assert_eq!(purchases(&db, Some(&other)).await, []);
        let of = read::purchases_of(&db.env.db, "default", db.env.now(), &[member.clone(), other]).await.unwrap();
        assert_eq!(of, all);
        assert!(read::purchases_of(&db.env.db, "other", db.env.now(), &[member]).await.unwrap().is_empty());
        let rest = read::purchases(&db.env.db, "default", db.env.now(), Whose::default(), Some((all[0].created_at, "ch_2")), 10).await;
        assert_eq!(ids(&rest.unwrap()), ["in_1"]);
    }

    async fn any_order_of_arrival_ends_alike(db: TestDb) {
        let mut objects = world();
        objects.reverse();
        tell(&db, &objects).await;
        assert_eq!(ids(&purchases(&db, None).await), ["ch_2", "in_1"]);
    }

    async fn what_was_given_back_is_told_of_either_kind(db: TestDb) {
        tell(&db, &world()).await;
        tell(&db, &[charge("ch_1", "pi_1", 999, 999), charge("ch_2", "pi_2", 500, 100)]).await;
        let given: Vec<(String, i64)> =
            purchases(&db, None).await.into_iter().map(|row| (row.source_id, row.amount_refunded)).collect();
        assert_eq!(given, [("ch_2".to_owned(), 100), ("in_1".to_owned(), 999)]);
        // Before 2025-03-31 the charge itself named the invoice, and there was nothing else to tell it.
        let mut old = charge("ch_old", "pi_old", 700, 50);
        old["invoice"] = json!("in_old");
        let mut billed = invoice("in_old", "cus_1", "sub_1", "paid");
        billed["amount_paid"] = json!(700);
        tell(&db, &[old, billed]).await;
        let all = purchases(&db, None).await;
        let old = all.iter().find(|row| row.source_id == "in_old").unwrap();
        assert_eq!((old.amount, old.amount_refunded), (700, 50));
        assert!(!ids(&all).contains(&"ch_old"));
    }

    async fn plans_and_coupons_are_listed_with_what_belongs_to_them(db: TestDb) {
        let mut once = price("price_once", "prod_a", 500);
        once["active"] = json!(false);
        once["nickname"] = json!("Once");
        once["recurring"] = json!(null);
        let coupon = json!({ "id": "SPRING", "object": "coupon", "created": 5, "percent_off": 25, "valid": true });
        let codes = [("promo_1", "HELLO", true), ("promo_2", "BYE", false)].map(|(id, code, active)| json!({
            "id": id, "object": "promotion_code", "created": 5, "code": code, "active": active,
            "promotion": { "coupon": "SPRING" } }));
        tell(&db, &[product("prod_a", false), price("price_1", "prod_a", 999), once, coupon]).await;
        tell(&db, &codes).await;
        let db = &db.env.db;
        let plans = async |product: Option<&str>, active: Option<bool>| {
            let rows = read::plans(db, "default", product, active, None, 10).await.unwrap();
            rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
        };
        assert_eq!(plans(None, None).await, ["price_once", "price_1"]);
        assert_eq!(plans(Some("prod_a"), Some(true)).await, ["price_1"]);
        assert_eq!(plans(None, Some(false)).await, ["price_once"]);
        assert!(plans(Some("prod_b"), None).await.is_empty());
        let coupons = async |code: Option<&str>, valid: Option<bool>| read::coupons(db, "default", code, valid, None, 10).await.unwrap().len();
        assert_eq!((coupons(Some("HELLO"), None).await, coupons(Some("NO"), None).await), (1, 0));
        assert_eq!((coupons(None, Some(true)).await, coupons(None, Some(false)).await), (1, 0));
        let codes = read::promotion_codes(db, "default", &["SPRING".to_owned()]).await.unwrap();
        assert_eq!(codes.iter().map(|code| code.code.as_str()).collect::<Vec<_>>(), ["HELLO", "BYE"]);
    }
}
