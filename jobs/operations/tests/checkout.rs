//! Checkouts: who gets a place, who does not, and what is sent.

use std::time::Duration;

use tokio_util::task::TaskTracker;

use super::*;
use crate::{
    both,
    entitlements::store::{self as tiers, TierEdit},
    kernel::{Env, db::Sql, ports::StripeError},
    members::{NewMember, store as members},
    operations::{CheckoutOrder, send_now},
};

/// A tier `prod_a` with a monthly and a yearly price, and this many places.
async fn tier(db: &TestDb, limit: Option<i64>) {
    let product = json!({ "id": "prod_a", "object": "product", "created": 1_760_000_000, "livemode": false,
        "active": true, "name": "A", "metadata": {} });
    mirror(db, &product).await;
    for (id, interval) in [("price_m", "month"), ("price_y", "year")] {
        let price = json!({ "id": id, "object": "price", "created": 1_760_000_000, "livemode": false, "active": true,
            "currency": "usd", "product": "prod_a", "unit_amount": 999,
            "recurring": { "interval": interval, "interval_count": 1 } });
        mirror(db, &price).await;
    }
    let edit = TierEdit {
        limit: Some(limit),
        ..TierEdit::default()
    };
    let mut tx = db.env.db.begin().await.unwrap();
    assert!(
        tiers::edit_tier(&mut tx, "default", "prod_a", &edit, db.now())
            .await
            .unwrap()
    );
    tx.commit().await.unwrap();
    db.stripe.forget_calls();
}

async fn new_member(db: &TestDb, email: &str) -> String {
    let new = NewMember {
        organization_id: "default".to_owned(),
        email: Some(email.to_owned()),
        name: None,
        joined_at: db.now(),
    };
    let mut tx = db.env.db.begin().await.unwrap();
    let id = db.env.id("mem");
    members::insert_many(&mut tx, &db.env, &[(id.clone(), new)]).await.unwrap();
    tx.commit().await.unwrap();
    id
}

fn checkout(member: &str) -> CheckoutOrder {
    CheckoutOrder {
        member_id: member.to_owned(),
        tier_id: "prod_a".to_owned(),
        plan_id: None,
        interval: "month",
        success_url: "https://example.com/in".to_owned(),
        cancel_url: None,
        trial_period_days: None,
        allow_promotion_codes: false,
    }
}

async fn try_order(env: &Env, wanted: CheckoutOrder) -> Result<Vec<String>, Refusal> {
    let mut tx = env.db.begin().await.unwrap();
    let placed = order(&mut tx, env, ME, &Order::Checkout(wanted))
        .await
        .unwrap()?;
    tx.commit().await.unwrap();
    Ok(placed.operations)
}

/// Whether a member would get a place now.
async fn would_order(db: &TestDb, member: &str) -> Result<(), Refusal> {
    let mut tx = db.env.db.begin().await.unwrap();
    order(&mut tx, &db.env, ME, &Order::Checkout(checkout(member))).await.unwrap().map(|_| ())
}

fn session(id: &str) -> Value {
    json!({ "id": id, "object": "checkout.session", "status": "open", "url": format!("https://pay/{id}") })
}

fn full() -> Refusal {
    Refusal::TierFull("prod_a".to_owned())
}

both! {
    async fn of_many_at_once_one_gets_the_last_place(db: TestDb) {
        tier(&db, Some(1)).await;
        let (tracker, mut tasks) = (TaskTracker::new(), Vec::new());
        for number in 0..20 {
            let member = new_member(&db, &format!("m{number}@example.com")).await;
            let env = if number < 4 { db.node().await } else { db.env.clone() };
            tasks.push(tracker.spawn(async move { try_order(&env, checkout(&member)).await }));
        }
        let mut through = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(_) => through += 1,
                Err(refusal) => assert_eq!(refusal, full()),
            }
        }
        assert_eq!(through, 1);
        assert_eq!(db.count("tier_reservations").await, 1);
    }

    async fn a_place_that_is_not_paid_for_is_free_again(db: TestDb) {
        tier(&db, Some(1)).await;
        let (one, two) = (new_member(&db, "1@example.com").await, new_member(&db, "2@example.com").await);
        try_order(&db.env, checkout(&one)).await.unwrap();
        db.advance(Duration::from_mins(74));
        assert_eq!(try_order(&db.env, checkout(&two)).await, Err(full()));
        db.advance(Duration::from_mins(1));
        let ids = try_order(&db.env, checkout(&two)).await.unwrap();
        // One that Stripe refuses gives its place back at once.
        db.stripe.fail_next(StripeError::Refused {
            status: 400, code: "no".to_owned(), message: "no".to_owned(), request_id: "req_1".to_owned(),
        });
        let row = send_now(&db.env, "default", &ids).await.unwrap().unwrap();
        assert_eq!((row.state.as_str(), row.error_code.as_deref()), ("failed", Some("step_before_failed")));
        try_order(&db.env, checkout(&one)).await.unwrap();
    }

    async fn who_has_the_tier_takes_a_place_and_needs_no_second(db: TestDb) {
        tier(&db, Some(1)).await;
        member(&db, "active").await;
        let (jane,) = db.rows::<(String,)>(Sql::both("SELECT id FROM members"), &[]).await.remove(0);
        assert_eq!(
            try_order(&db.env, checkout(&jane)).await,
            Err(Refusal::AlreadySubscribed("prod_a".to_owned()))
        );
        let other = new_member(&db, "2@example.com").await;
        assert_eq!(try_order(&db.env, checkout(&other)).await, Err(full()));
        mirror(&db, &with(subscription("canceled"), &json!({ "ended_at": 1_760_000_200 }))).await;
        try_order(&db.env, checkout(&other)).await.unwrap();
        assert_eq!(try_order(&db.env, checkout(&jane)).await, Err(full()));
    }

    async fn who_may_not_come_in_takes_no_place_until_she_may_again(db: TestDb) {
        tier(&db, Some(1)).await;
        member(&db, "incomplete").await;
        let other = new_member(&db, "2@example.com").await;
        assert_eq!(would_order(&db, &other).await, Ok(()));
        let tomorrow = db.now().seconds() + 24 * 3600;
        let pause = json!({ "pause_collection": { "behavior": "void", "resumes_at": tomorrow } });
        mirror(&db, &with(subscription("active"), &pause)).await;
        assert_eq!(would_order(&db, &other).await, Ok(()));
        db.advance(Duration::from_hours(24));
        assert_eq!(would_order(&db, &other).await, Err(full()));
    }

    async fn what_is_not_sold_is_refused(db: TestDb) {
        tier(&db, None).await;
        let one = new_member(&db, "1@example.com").await;
        let wrong = [
            CheckoutOrder { tier_id: "prod_b".to_owned(), ..checkout(&one) },
            CheckoutOrder { plan_id: Some("price_x".to_owned()), ..checkout(&one) },
            CheckoutOrder { interval: "week", ..checkout(&one) },
        ];
        for wanted in wrong {
            let refused = try_order(&db.env, wanted).await.unwrap_err();
            assert!(matches!(refused, Refusal::InvalidTier(_)), "{refused}");
        }
        let nobody = try_order(&db.env, checkout("mem_0")).await.unwrap_err();
        assert_eq!(nobody, Refusal::NoMember("mem_0".to_owned()));
        mirror(&db, &json!({ "id": "prod_a", "object": "product", "created": 1_760_000_000, "active": false,
            "name": "A", "metadata": {} })).await;
        let refused = try_order(&db.env, checkout(&one)).await.unwrap_err();
        assert!(matches!(refused, Refusal::InvalidTier(_)), "{refused}");
    }

    async fn a_member_without_a_customer_gets_one_first(db: TestDb) {
        tier(&db, None).await;
        let one = new_member(&db, "1@example.com").await;
        let ids = try_order(&db.env, checkout(&one)).await.unwrap();
        assert_eq!(ids.len(), 2);
        let customer = json!({ "id": "cus_new", "object": "customer", "created": 1_760_000_000, "livemode": false,
            "email": "1@example.com", "metadata": { "memberd_member_id": one } });
        db.stripe.put(&customer);
        db.stripe.answer_next(&customer);
        db.stripe.answer_next(&session("cs_1"));
        let row = send_now(&db.env, "default", &ids).await.unwrap().unwrap();
        assert_eq!((row.state.as_str(), row.object_id.as_deref()), ("succeeded", Some("cs_1")));
        assert!(row.answer.unwrap().contains("https://pay/cs_1"));
        let sent = writes(&db);
        assert_eq!((sent.len(), sent[0].1.as_str(), sent[1].1.as_str()), (2, "/customers", "/checkout/sessions"));
        assert!(sent[0].2.contains(&field("metadata[memberd_member_id]", &one)));
        assert!(sent[1].2.contains(&field("customer", "cus_new")));
        assert!(sent[1].2.contains(&field("line_items[0][price]", "price_m")));
        // The jobs that would have gone on find nothing to do.
        db.advance(Duration::from_secs(20));
        db.drain(&registry()).await;
        assert_eq!(writes(&db).len(), 2);
        assert_eq!(db.count("members").await, 1);
    }

    async fn what_the_caller_does_not_wait_for_is_done_by_the_jobs(db: TestDb) {
        tier(&db, None).await;
        member(&db, "canceled").await;
        let (jane,) = db.rows::<(String,)>(Sql::both("SELECT id FROM members"), &[]).await.remove(0);
        let ids = try_order(&db.env, checkout(&jane)).await.unwrap();
        assert_eq!(ids.len(), 1, "her customer is known");
        db.stripe.fail_next(StripeError::Unavailable("down".to_owned()));
        let row = send_now(&db.env, "default", &ids).await.unwrap().unwrap();
        assert_eq!(row.state, "unknown");
        db.stripe.answer_next(&session("cs_1"));
        db.advance(Duration::from_secs(15));
        db.drain(&registry()).await;
        assert_eq!(super::row(&db, &ids[0]).await.object_id.as_deref(), Some("cs_1"));
        assert_eq!(writes(&db)[0], writes(&db)[1]);
    }

    async fn the_same_again_is_the_same_page_and_another_closes_the_first(db: TestDb) {
        tier(&db, Some(1)).await;
        member(&db, "canceled").await;
        let (jane,) = db.rows::<(String,)>(Sql::both("SELECT id FROM members"), &[]).await.remove(0);
        let first = try_order(&db.env, checkout(&jane)).await.unwrap();
        db.stripe.answer_next(&session("cs_1"));
        send_now(&db.env, "default", &first).await.unwrap();
        assert_eq!(try_order(&db.env, checkout(&jane)).await.unwrap(), first);
        let yearly = CheckoutOrder { interval: "year", ..checkout(&jane) };
        let second = try_order(&db.env, yearly.clone()).await.unwrap();
        db.stripe.answer_next(&with(session("cs_1"), &json!({ "status": "expired" })));
        db.stripe.answer_next(&session("cs_2"));
        send_now(&db.env, "default", &second).await.unwrap();
        let sent = writes(&db);
        assert_eq!(sent[1].1, "/checkout/sessions/cs_1/expire");
        assert!(sent[2].2.contains(&field("line_items[0][price]", "price_y")));
        assert_eq!(db.count("tier_reservations").await, 1);
        // When the first page was paid meanwhile it cannot be closed, and there is no second one.
        let third = try_order(&db.env, checkout(&jane)).await.unwrap();
        db.stripe.fail_next(StripeError::Refused {
            status: 400, code: "invalid".to_owned(), message: "complete".to_owned(), request_id: String::new(),
        });
        let row = send_now(&db.env, "default", &third).await.unwrap().unwrap();
        assert_eq!(row.error_code.as_deref(), Some("step_before_failed"));
        assert_eq!(db.count("tier_reservations").await, 1);
    }
}
