//! Coupons, payment methods, payments and the rest, in their old and new shapes and on both databases.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{customer, old_event as event, receive, registry, shapes::any_json, subscription};
use crate::{
    both,
    kernel::{
        db::Sql,
        outbox::{enqueue_alone, NewJob},
        ports::{Listing, ObjectType},
    },
    sync::{BackfillObjects, ReconcileObjects, diff, model},
    testing::{Call, TestDb},
};

pub(super) fn payment_method(id: &str, customer: &str) -> Value {
    json!({ "id": id, "object": "payment_method", "created": 1_760_000_000, "livemode": false, "customer": customer,
            "type": "card", "metadata": { "note": "hers" }, "allow_redisplay": "always",
            "billing_details": { "email": "jane@example.com", "name": "Jane Smith", "phone": "+15555555555" },
            "card": { "brand": "visa", "last4": "4242", "exp_month": 3, "exp_year": 2030, "fingerprint": "AOB934" } })
}

/// One object of each type beside those of the other tests, in today's shapes.
pub(super) fn others() -> Vec<Value> {
    vec![
        json!({ "id": "SPRING", "object": "coupon", "created": 5, "percent_off": 33.335, "duration": "repeating",
                "duration_in_months": 3, "times_redeemed": 2, "valid": true }),
        json!({ "id": "promo_1", "object": "promotion_code", "created": 5, "active": true, "code": "HELLO",
                "promotion": { "type": "coupon", "coupon": "SPRING" }, "times_redeemed": 0 }),
        json!({ "id": "sub_sched_1", "object": "subscription_schedule", "created": 5, "status": "active",
                "customer": "cus_1", "subscription": "sub_1", "end_behavior": "release",
                "current_phase": { "start_date": 5, "end_date": 10 },
                "phases": [{ "start_date": 5, "end_date": 10, "items": [{ "price": "price_1", "quantity": 2 }] }] }),
        json!({ "id": "inpay_1", "object": "invoice_payment", "created": 5, "invoice": "in_1", "currency": "usd",
                "amount_requested": 999, "amount_paid": 999, "is_default": true, "status": "paid",
                "payment": { "type": "payment_intent", "payment_intent": "pi_1" },
                "status_transitions": { "paid_at": 6 } }),
        json!({ "id": "ch_1", "object": "charge", "created": 5, "amount": 999, "amount_captured": 999,
                "amount_refunded": 0, "currency": "usd", "customer": "cus_1", "payment_intent": "pi_1", "paid": true,
                "status": "succeeded", "receipt_email": "jane@example.com",
                "billing_details": { "email": "jane@example.com" } }),
        json!({ "id": "re_1", "object": "refund", "created": 5, "amount": 100, "currency": "usd", "charge": "ch_1",
                "payment_intent": "pi_1", "status": "succeeded", "reason": "duplicate" }),
        json!({ "id": "cs_1", "object": "checkout.session", "created": 5, "mode": "payment", "status": "complete",
                "payment_status": "paid", "customer": "cus_1", "payment_intent": "pi_1", "amount_total": 999,
                "currency": "usd", "client_secret": "cs_secret_1", "url": "https://checkout.example.com/c/1",
                "customer_details": { "email": "jane@example.com", "name": "Jane Smith" } }),
    ]
}

async fn walk(db: &TestDb) {
    enqueue_alone(&db.env, NewJob::of("default", &BackfillObjects::default()).unwrap()).await.unwrap();
    db.drain(&registry()).await;
}

#[test]
fn a_coupon_is_read_wherever_a_discount_or_a_code_names_it() {
    let named = |places: Value| model::promotion_code(&places).unwrap().coupon_id;
    let old = json!({ "id": "promo_1", "code": "A", "coupon": { "id": "SPRING", "object": "coupon" } });
    let new = json!({ "id": "promo_1", "code": "A", "promotion": { "type": "coupon", "coupon": "SPRING" } });
    assert_eq!((named(old).as_deref(), named(new).as_deref()), (Some("SPRING"), Some("SPRING")));
    for (field, discount) in [
        ("discount", json!({ "id": "di_1", "coupon": { "id": "SPRING" } })),
        ("discounts", json!([{ "id": "di_1", "source": { "type": "coupon", "coupon": "SPRING" } }])),
    ] {
        let mut object = subscription("sub_1", "cus_1", "prod_a", "active");
        object[field] = discount;
        assert_eq!(model::subscription(&object).unwrap().coupon_id.as_deref(), Some("SPRING"), "{field}");
    }
    let percent = |given: Value| model::coupon(&json!({ "id": "A", "percent_off": given })).unwrap().percent_off_bps;
    for (given, bps) in [
        (json!(25), Some(2_500)), (json!(33.335), Some(3_333)), (json!(0.5), Some(50)), (json!("12.5"), Some(1_250)),
        (json!(null), None), (json!("many"), None), (json!(1e300), None),
    ] {
        assert_eq!(percent(given.clone()), bps, "{given}");
    }
}

#[test]
fn an_invoice_is_read_in_both_shapes() {
    let old = json!({ "id": "in_1", "billing": "send_invoice", "charge": "ch_1", "payment_intent": { "id": "pi_1" },
        "tax": 19, "tax_percent": 19.0, "total_discount_amounts": [{ "amount": 5 }, { "amount": 6 }],
        "default_source": "card_1", "lines": { "data": [
            { "amount": -100, "plan": { "id": "plan_old", "product": "prod_old" } },
            { "amount": 900, "price": { "id": "price_1", "product": "prod_a" } }] } });
    let old = model::invoice(&old).unwrap();
    assert_eq!((old.tax, old.tax_percent_bps, old.discount), (19, Some(1_900), 11));
    assert_eq!((old.price_id.as_deref(), old.product_id.as_deref()), (Some("price_1"), Some("prod_a")));
    assert_eq!((old.charge_id.as_deref(), old.payment_intent_id.as_deref()), (Some("ch_1"), Some("pi_1")));
    assert_eq!(old.payment_method_id.as_deref(), Some("card_1"));
    let new = json!({ "id": "in_1", "total_taxes": [{ "amount": 7 }, { "amount": 12 }], "default_source": "ba_1",
        "lines": { "data": [{ "amount": 900, "pricing": { "price_details": { "price": "price_1", "product": "prod_a" } } }] } });
    let new = model::invoice(&new).unwrap();
    assert_eq!((new.tax, new.price_id.as_deref(), new.product_id.as_deref()), (19, Some("price_1"), Some("prod_a")));
    assert_eq!(new.payment_method_id, None, "a bank account is no payment method");
}

#[test]
fn a_payment_method_is_read_from_its_type_and_an_old_card_from_itself() {
    let card = json!({ "id": "card_1", "object": "card", "brand": "Visa", "last4": "4242", "exp_month": 3, "exp_year": 2030 });
    let read = model::payment_method(&card).unwrap();
    assert_eq!((read.brand.as_deref(), read.last4.as_deref(), read.exp_year), (Some("Visa"), Some("4242"), Some(2030)));
    let bank = json!({ "id": "pm_1", "type": "us_bank_account",
        "us_bank_account": { "bank_name": "Test Bank", "last4": "6789", "routing_number": "1" } });
    let read = model::payment_method(&bank).unwrap();
    assert_eq!((read.brand.as_deref(), read.last4.as_deref(), read.exp_year), (Some("Test Bank"), Some("6789"), None));
}

#[test]
fn an_event_about_a_plan_is_about_its_price() {
    let plan = json!({ "id": "gold", "object": "plan", "amount": 500 });
    let facts = model::event(&event("evt_1", "plan.updated", &plan)).unwrap();
    assert_eq!(facts.object, Some(("price".to_owned(), "gold".to_owned())));
}

#[test]
fn nothing_personal_is_kept_of_what_carries_it() {
    let mut objects = others();
    objects.push(payment_method("pm_1", "cus_1"));
    objects.push(json!({ "id": "acct_1", "object": "account", "email": "jane@example.com", "charges_enabled": true,
        "individual": { "first_name": "Jane" }, "tos_acceptance": { "ip": "203.0.113.1" },
        "requirements": { "currently_due": ["tos_acceptance.ip"], "errors": [{ "reason": "Jane Smith" }] } }));
    for object in objects {
        let kind = ObjectType::parse(object["object"].as_str().unwrap()).unwrap();
        let kept = model::kept(kind, &object);
        let text = kept.to_string();
        for personal in ["jane", "Jane", "+1555", "AOB934", "cs_secret", "https://", "203.0"] {
            assert!(!text.contains(personal), "{personal} in {text}");
        }
        assert_eq!(*model::kept(kind, &kept), *kept, "what is kept is kept again");
        assert_eq!(model::kept_text(kind, &object.to_string()), text);
        let told = event("evt_1", "any.change", &object);
        let told = model::kept_event(&told, &told.to_string()).into_owned();
        assert_eq!(serde_json::from_str::<Value>(&told).unwrap()["data"]["object"], *kept);
    }
    let intent = json!({ "id": "pi_1", "object": "payment_intent", "client_secret": "pi_1_secret" });
    let told = event("evt_1", "payment_intent.created", &intent);
    let told = model::kept_event(&told, &told.to_string()).into_owned();
    assert!(told.contains("pi_1") && !told.contains("secret"), "{told}");
    let whole = event("evt_1", "customer.created", &customer("cus_1"));
    assert_eq!(model::kept_event(&whole, "as it came"), "as it came");
}

proptest! {
    /// Whatever Stripe, or somebody else, puts in the place of an object.
    #[test]
    fn no_json_breaks_a_reader(value in any_json(), field in "[a-z_]{1,12}", id in "\\PC{0,9}") {
        let mut inside = json!({ "id": id, "customer": "cus_1", "invoice": "in_1" });
        inside[field] = value.clone();
        for value in [&value, &inside] {
            prop_assert!(model::event(value).is_none());
            model::customer(value);
            model::product(value);
            model::price(value);
            model::subscription(value);
            model::invoice(value);
            model::coupon(value);
            model::promotion_code(value);
            model::payment_method(value);
            if let Some(read) = model::schedule(value) {
                prop_assert!(read.phases_json().starts_with('['));
            }
            model::invoice_payment(value);
            model::charge(value);
            model::refund(value);
            model::checkout_session(value);
            model::account(value);
            for kind in ObjectType::ALL {
                model::kept(kind, value);
            }
        }
    }

    #[test]
    fn any_field_of_a_known_object_may_be_anything(
        at in 0_usize..7,
        field in "created|phases|items|percent_off|payment|promotion|amount|customer|metadata|current_phase|status|card",
        value in any_json(),
    ) {
        let mut object = others().swap_remove(at);
        object[field] = value;
        let kind = ObjectType::parse(object["object"].as_str().unwrap()).unwrap();
        let object = model::kept(kind, &object);
        let read = match kind {
            ObjectType::Coupon => model::coupon(&object).is_some(),
            ObjectType::PromotionCode => model::promotion_code(&object).is_some(),
            ObjectType::SubscriptionSchedule => model::schedule(&object).is_some(),
            ObjectType::InvoicePayment => model::invoice_payment(&object).is_some(),
            ObjectType::Charge => model::charge(&object).is_some(),
            ObjectType::Refund => model::refund(&object).is_some(),
            _ => model::checkout_session(&object).is_some(),
        };
        prop_assert!(read, "{object}");
    }
}

const METHOD: Sql = Sql::both("SELECT customer_id, brand, last4, exp_month, exp_year FROM payment_methods WHERE NOT deleted");
const RAWS: Sql = Sql::both("SELECT raw FROM stripe_objects UNION ALL SELECT body FROM stripe_events WHERE body IS NOT NULL");
type Method = (Option<String>, Option<String>, Option<String>, Option<i64>, Option<i64>);

both! {
    async fn every_type_is_walked_mirrored_and_compared(db: TestDb) {
        for object in others() {
            db.stripe.put(&object);
        }
        walk(&db).await;
        for table in ["coupons", "promotion_codes", "subscription_schedules", "invoice_payments", "charges", "refunds",
                      "checkout_sessions"] {
            assert_eq!(db.count(table).await, 1, "{table}");
        }
        assert_eq!(diff(&db.env, "default").await.unwrap().drift, []);
        let mut changed = others().swap_remove(1);
        changed["active"] = json!(false);
        db.stripe.put(&changed);
        let found = diff(&db.env, "default").await.unwrap().drift;
        assert_eq!((found.len(), &found[0].fields[..]), (1, &["active".to_owned()][..]));
        receive(&db, &event("evt_1", "promotion_code.updated", &changed)).await;
        db.drain(&registry()).await;
        assert_eq!(db.count("promotion_codes WHERE NOT active").await, 1);
        db.stripe.remove(ObjectType::Coupon, "SPRING");
        receive(&db, &event("evt_2", "coupon.deleted", &others()[0])).await;
        db.drain(&registry()).await;
        assert_eq!(db.count("coupons WHERE deleted AND NOT valid").await, 1);
    }

    async fn a_payment_method_is_fetched_once_it_is_referred_to(db: TestDb) {
        let (mut jane, mut sub) = (customer("cus_1"), subscription("sub_1", "cus_1", "prod_a", "active"));
        jane["invoice_settings"] = json!({ "default_payment_method": "pm_1" });
        sub["default_payment_method"] = json!("pm_1");
        for object in [&jane, &sub, &payment_method("pm_1", "cus_1"), &payment_method("pm_unused", "cus_1")] {
            db.stripe.put(object);
        }
        walk(&db).await;
        let methods: Vec<Method> = db.rows(METHOD, &[]).await;
        let visa = |year| (Some("cus_1".to_owned()), Some("visa".to_owned()), Some("4242".to_owned()), Some(3), Some(year));
        assert_eq!(methods, [visa(2030)]);
        let asked = |db: &TestDb| db.stripe.calls().into_iter()
            .filter(|call| matches!(call, Call::Retrieve(_, ObjectType::PaymentMethod, _))).count();
        assert_eq!(asked(&db), 1, "a second reference asks for nothing");
        assert_eq!(diff(&db.env, "default").await.unwrap().drift, []);
        for (text,) in db.rows::<(String,)>(RAWS, &[]).await {
            assert!(!text.contains("fingerprint") && !text.contains("+1555"), "{text}");
        }
        // A new card comes from Stripe by itself; the reconciliation finds it although no event told.
        let mut renewed = payment_method("pm_1", "cus_1");
        renewed["card"]["exp_year"] = json!(2033);
        db.stripe.put(&renewed);
        db.advance(std::time::Duration::from_mins(1));
        enqueue_alone(&db.env, NewJob::of("default", &ReconcileObjects::default()).unwrap()).await.unwrap();
        db.drain(&registry()).await;
        assert_eq!(db.rows::<Method>(METHOD, &[]).await, [visa(2033)]);
    }

    async fn a_payment_method_that_is_gone_is_asked_for_once(db: TestDb) {
        let mut jane = customer("cus_1");
        jane["invoice_settings"] = json!({ "default_payment_method": "pm_gone" });
        db.stripe.put(&jane);
        for number in 0..3 {
            receive(&db, &event(&format!("evt_{number}"), "customer.updated", &jane)).await;
            db.drain(&registry()).await;
            db.advance(std::time::Duration::from_secs(5));
        }
        let asked = db.stripe.calls().into_iter()
            .filter(|call| matches!(call, Call::Retrieve(_, ObjectType::PaymentMethod, _)));
        assert_eq!(asked.count(), 1);
        assert_eq!(db.count("payment_methods").await, 0);
    }

    async fn the_account_is_fetched_once_it_is_configured(db: TestDb) {
        let db = db.with_settings(|settings| {
            settings.organizations.entry("default".to_owned()).or_default().account = "acct_1".to_owned();
        });
        db.stripe.put(&json!({ "id": "acct_1", "object": "account", "country": "DE", "charges_enabled": true,
            "payouts_enabled": false, "requirements": { "currently_due": ["external_account"], "disabled_reason": "listed" } }));
        assert!(Listing::of(ObjectType::Account).is_empty());
        walk(&db).await;
        assert_eq!(db.count("stripe_accounts WHERE charges_enabled AND NOT payouts_enabled AND disabled_reason = 'listed'").await, 1);
        assert_eq!(diff(&db.env, "default").await.unwrap().drift, []);
    }
}
