//! From a webhook to an entitlement.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use super::{
    customer, event, invoice, members, old_event, price, product, receive, registry, subscription,
};
use crate::{
    both,
    kernel::{
        db::Sql,
        outbox::NewJob,
        ports::{ObjectType, StripeError},
    },
    sync::{
        FetchObject, ReceiveError, Received, read_what_an_older_one_left, receive as receive_event, replay,
        store::events,
    },
    testing::TestDb,
};

/// SQLite's transactions share a commit, so that a duplicate meets an event that can still be lost with its group.
#[tokio::test]
async fn a_duplicate_is_not_confirmed_before_its_event_is_durable() {
    let db = TestDb::sqlite().await;
    let mut first = db.db.begin().await.unwrap();
    // Checked at COMMIT: it fails the whole group.
    for sql in [
        Sql::both("PRAGMA defer_foreign_keys = ON"),
        Sql::both(
            "INSERT INTO api_keys (id, organization_id, name, secret_hash, last4, scopes, created_at)
             VALUES ('key_1', 'nobody', '', '', '', '', 0)",
        ),
    ] {
        first.execute(sql, &[]).await.unwrap();
    }
    let body = event("evt_1", "customer.created", &customer("cus_1")).to_string();
    let (first, new, again) = tokio::join!(
        first.commit(),
        receive_event(&db.env, "default", &body),
        receive_event(&db.env, "default", &body),
    );
    assert!(first.is_err());
    assert!(matches!(new, Err(ReceiveError::Db(_))), "{new:?}");
    assert!(matches!(again, Err(ReceiveError::Db(_))), "{again:?}");
    assert_eq!(db.count("stripe_events").await, 0);
}

/// The table of events only grows: each night's batches must not read all of it.
#[tokio::test]
async fn old_bodies_are_found_by_an_index() {
    let db = TestDb::sqlite().await;
    let plan: Vec<(i64, i64, i64, String)> = db
        .rows(
            Sql::both(
                "EXPLAIN QUERY PLAN SELECT organization_id, id FROM stripe_events
                 WHERE received_at < 5 AND body IS NOT NULL ORDER BY received_at LIMIT 9",
            ),
            &[],
        )
        .await;
    assert!(plan[0].3.contains("stripe_events_bodies"), "{plan:?}");
}

both! {
    async fn a_webhook_becomes_state(db: TestDb) {
        let sub = subscription("sub_1", "cus_1", "prod_a", "active");
        for object in [customer("cus_1"), product("prod_a", false), price("price_1", "prod_a", 999), sub.clone()] {
            db.stripe.put(&object);
        }
        assert_eq!(receive(&db, &event("evt_1", "customer.subscription.created", &sub)).await, Received::New);
        assert_eq!(db.count("jobs").await, 1);
        assert_eq!(db.count("subscriptions").await, 0, "Stripe is never called inline");
        db.drain(&registry()).await;
        // The subscription sent for its customer, who became a member.
        assert_eq!(
            members(&db).await,
            [(Some("cus_1@example.com".to_owned()), "active".to_owned(), Some("prod_a".to_owned()),
              Some("prod_a".to_owned()), None)]
        );
        assert_eq!(db.count("stripe_events WHERE state = 'applied'").await, 1);
        assert_eq!(db.count("stripe_objects").await, 2);
        assert_eq!(db.count("jobs_done WHERE state = 'completed'").await, 2);
        let types: Vec<(String,)> = db.rows(Sql::both("SELECT type FROM events ORDER BY type"), &[]).await;
        let types: Vec<_> = types.iter().map(|row| row.0.trim_start_matches("audience.")).collect();
        assert_eq!(types, ["access_changed", "member_joined", "member_upgraded"]);
    }

    async fn the_same_event_twenty_times_is_one(db: TestDb) {
        db.stripe.put(&customer("cus_1"));
        let one = event("evt_1", "customer.created", &customer("cus_1"));
        assert_eq!(receive(&db, &one).await, Received::New);
        for _ in 0..19 {
            assert_eq!(receive(&db, &one).await, Received::Seen);
        }
        db.drain(&registry()).await;
        assert_eq!(receive(&db, &one).await, Received::Seen);
        assert_eq!((db.count("stripe_events").await, db.count("jobs").await), (1, 0));
        assert_eq!((db.count("members").await, db.stripe.calls().len()), (1, 0), "it says all itself");
    }

    async fn a_burst_about_one_object_is_one_request(db: TestDb) {
        db.stripe.put(&customer("cus_1"));
        for number in 0..20 {
            let mut state = customer("cus_1");
            state["name"] = json!(format!("Jane {number}"));
            receive(&db, &event(&format!("evt_{number}"), "customer.updated", &state)).await;
        }
        assert_eq!(db.count("jobs").await, 1);
        db.drain(&registry()).await;
        assert_eq!(db.stripe.calls().len(), 1, "all are of one second");
        assert_eq!(db.count("customers WHERE name = 'Jane Smith'").await, 1);
        assert_eq!(db.count("stripe_events WHERE state = 'applied'").await, 20);
    }

    async fn what_one_run_has_applied_a_late_refusal_of_another_leaves(db: TestDb) {
        db.stripe.put(&customer("cus_1"));
        receive(&db, &event("evt_1", "customer.created", &customer("cus_1"))).await;
        db.drain(&registry()).await;
        let mut tx = db.db.begin().await.unwrap();
        let why = Some("refused");
        events::mark(&mut tx, "default", &["evt_1"], why, db.now()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(db.count("stripe_events WHERE state = 'applied' AND error IS NULL").await, 1);
    }

    async fn a_text_with_a_nul_is_mirrored_without_it(db: TestDb) {
        let mut odd = customer("cus_1");
        odd["name"] = json!("Jane\0 Smith");
        db.stripe.put(&odd);
        receive(&db, &event("evt_1", "customer.created", &odd)).await;
        db.drain(&registry()).await;
        assert_eq!(db.count("customers WHERE name = 'Jane Smith'").await, 1);
    }

    async fn the_tier_of_a_deleted_product_is_off_sale_and_no_default(db: TestDb) {
        for id in ["prod_a", "prod_b"] {
            db.stripe.put(&product(id, true));
            receive(&db, &event(&format!("evt_{id}"), "product.created", &product(id, true))).await;
        }
        db.drain(&registry()).await;
        db.stripe.remove(ObjectType::Product, "prod_a");
        receive(&db, &event("evt_gone", "product.deleted", &product("prod_a", true))).await;
        db.drain(&registry()).await;
        assert_eq!(db.count("tiers WHERE id = 'prod_a' AND NOT active AND NOT is_default").await, 1);
        assert_eq!(db.count("tiers WHERE id = 'prod_b' AND active AND is_default").await, 1);
    }

    async fn what_is_not_ours_is_stored_and_left_alone(db: TestDb) {
        let mut live = event("evt_live", "customer.created", &customer("cus_1"));
        live["livemode"] = json!(true);
        assert_eq!(receive(&db, &live).await, Received::WrongMode);
        let mut foreign = event("evt_foreign", "customer.created", &customer("cus_1"));
        foreign["account"] = json!("acct_other");
        assert_eq!(receive(&db, &foreign).await, Received::Foreign);
        let unknown = event("evt_unknown", "moon.landed", &json!({ "id": "moon_1", "object": "moon" }));
        assert_eq!(receive(&db, &unknown).await, Received::Ignored);
        assert_eq!((db.count("stripe_events").await, db.count("jobs").await), (3, 0));
    }

    async fn what_is_no_event_is_refused_and_not_stored(db: TestDb) {
        for body in ["", "{", "[]", "{}", r#"{"id":"evt_1"}"#, r#"{"id":"","type":"a","created":1}"#,
            r#"{"id":"evt_1","type":"a","created":-1}"#, r#"{"id":"evt_1","type":"a","created":300000000000}"#] {
            let refused = receive_event(&db.env, "default", body).await;
            assert!(matches!(refused, Err(ReceiveError::Malformed(_))), "{body}");
        }
        assert_eq!(db.count("stripe_events").await, 0);
    }

    async fn an_event_of_a_type_that_only_a_newer_memberd_knows_holds_up_no_other(db: TestDb) {
        for (id, of) in [("evt_1", "cus_1"), ("evt_2", "cus_2")] {
            receive(&db, &event(id, "customer.created", &customer(of))).await;
        }
        let newer = Sql::both("UPDATE stripe_events SET object_type = 'moon' WHERE id = 'evt_1'");
        db.execute(newer, &[]).await;
        let registry = registry();
        timeout(Duration::from_secs(20), db.drain(&registry)).await.expect("it reads the same events for ever");
        assert_eq!(db.count("stripe_events WHERE state = 'failed' AND error LIKE '%after the upgrade'").await, 1);
        assert_eq!(db.count("stripe_events WHERE state = 'applied'").await, 1);
        read_what_an_older_one_left(&db).await.unwrap();
        assert_eq!(db.count("jobs").await, 0);
        // The newer memberd knows it.
        let known = Sql::both("UPDATE stripe_events SET object_type = 'customer' WHERE id = 'evt_1'");
        db.execute(known, &[]).await;
        read_what_an_older_one_left(&db).await.unwrap();
        db.drain(&registry).await;
        assert_eq!(db.count("stripe_events WHERE state = 'applied'").await, 2);
    }

    async fn a_refusal_by_stripe_is_written_on_the_event(db: TestDb) {
        receive(&db, &old_event("evt_1", "customer.created", &customer("cus_1"))).await;
        db.stripe.fail_next(StripeError::Refused {
            status: 403,
            code: "forbidden".to_owned(),
            message: "no".to_owned(),
            request_id: "req_1".to_owned(),
        });
        let drained = db.drain_allowing_failures(&registry()).await;
        assert_eq!(drained.discarded, 1);
        assert_eq!(db.count("stripe_events WHERE state = 'failed' AND error LIKE '%req_1%'").await, 1);
        // People mend the cause and replay the event.
        db.stripe.put(&customer("cus_1"));
        let mut tx = db.env.db.begin().await.unwrap();
        assert!(replay(&mut tx, &db.env, "default", "evt_1").await.unwrap().is_some());
        assert_eq!(replay(&mut tx, &db.env, "default", "evt_none").await.unwrap(), None);
        tx.commit().await.unwrap();
        db.drain(&registry()).await;
        assert_eq!(db.count("stripe_events WHERE state = 'applied'").await, 1);
    }

    async fn a_fetch_that_is_refused_leaves_events_that_nobody_has_read(db: TestDb) {
        let refused = || StripeError::Refused {
            status: 403, code: "forbidden".to_owned(), message: "no".to_owned(), request_id: "req_1".to_owned(),
        };
        for (id, run) in [("cus_1", None), ("cus_2", Some("rec_1".to_owned()))] {
            receive(&db, &event(&format!("evt_{id}"), "customer.created", &customer(id))).await;
            if run.is_some() {
                // Whoever looks is not the one who was to settle it.
                db.execute(Sql::both("UPDATE stripe_events SET asked_at = 1 WHERE id = 'evt_cus_2'"), &[]).await;
            }
            db.execute(Sql::both("DELETE FROM jobs"), &[]).await;
            let job = FetchObject { run, ..FetchObject::of(ObjectType::Customer, id) };
            db.enqueue(NewJob::of("default", &job).unwrap()).await;
            db.stripe.fail_next(refused());
            assert_eq!(db.drain_allowing_failures(&registry()).await.discarded, 1);
        }
        assert_eq!(db.count("stripe_events WHERE state = 'new'").await, 2);
    }

    async fn an_outage_longer_than_all_attempts_is_written_on_the_event(db: TestDb) {
        receive(&db, &old_event("evt_1", "customer.created", &customer("cus_1"))).await;
        let mut discarded = 0;
        while discarded == 0 {
            assert_eq!(db.count("stripe_events WHERE state = 'new'").await, 1);
            db.stripe.fail_next(StripeError::Unavailable("connection refused".to_owned()));
            discarded = db.drain_allowing_failures(&registry()).await.discarded;
            db.advance(Duration::from_hours(8));
        }
        assert_eq!(db.count("stripe_events WHERE state = 'failed' AND error LIKE '%refused%'").await, 1);
    }

    async fn what_names_no_object_is_discarded_at_once(db: TestDb) {
        let job = FetchObject::of(ObjectType::Customer, "");
        db.enqueue(NewJob::of("default", &job).unwrap()).await;
        let drained = db.drain_allowing_failures(&registry()).await;
        assert_eq!((drained.discarded, db.stripe.calls().len()), (1, 0), "{:?}", drained.errors);
    }

    async fn an_outage_of_stripe_only_delays(db: TestDb) {
        db.stripe.put(&customer("cus_1"));
        receive(&db, &old_event("evt_1", "customer.created", &customer("cus_1"))).await;
        db.stripe.fail_next(StripeError::Unavailable("503".to_owned()));
        db.stripe.fail_next(StripeError::RateLimited(Duration::from_secs(2)));
        let first = db.drain_allowing_failures(&registry()).await;
        assert_eq!((first.retried, first.completed), (1, 1), "the event was read, the object not fetched");
        db.advance(Duration::from_mins(1));
        let second = db.drain_allowing_failures(&registry()).await;
        assert_eq!((second.snoozed, second.completed), (1, 0));
        db.advance(Duration::from_mins(1));
        assert_eq!(db.drain(&registry()).await.completed, 1);
        assert_eq!(db.count("members").await, 1);
    }

    async fn a_deleted_customer_is_a_tombstone_for_ever(db: TestDb) {
        db.stripe.put(&customer("cus_1"));
        receive(&db, &event("evt_1", "customer.created", &customer("cus_1"))).await;
        db.drain(&registry()).await;
        db.stripe.put(&json!({ "id": "cus_1", "object": "customer", "deleted": true }));
        receive(&db, &event("evt_2", "customer.deleted", &customer("cus_1"))).await;
        db.drain(&registry()).await;
        assert_eq!(db.count("customers WHERE deleted").await, 1);
        // Even if Stripe answered with the old object once more.
        db.stripe.put(&customer("cus_1"));
        db.advance(Duration::from_mins(1));
        receive(&db, &event("evt_3", "customer.updated", &customer("cus_1"))).await;
        db.drain(&registry()).await;
        assert_eq!(db.count("stripe_objects WHERE deleted").await, 1);
        assert_eq!(db.count("members").await, 1, "deleting a member is another job's decision");
    }

    async fn an_object_that_stripe_does_not_know_is_a_tombstone(db: TestDb) {
        receive(&db, &event("evt_1", "product.deleted", &product("prod_a", false))).await;
        db.drain(&registry()).await;
        assert_eq!(db.count("stripe_objects WHERE deleted AND type = 'product'").await, 1);
        db.stripe.remove(ObjectType::Product, "prod_a");
    }

    async fn an_invoice_is_mirrored_with_its_subscription(db: TestDb) {
        let paid = invoice("in_1", "cus_1", "sub_1", "paid");
        db.stripe.put(&paid);
        receive(&db, &event("evt_1", "invoice.paid", &paid)).await;
        db.drain(&registry()).await;
        assert_eq!(
            db.count("invoices WHERE status = 'paid' AND subscription_id = 'sub_1' AND amount_paid = 999").await,
            1
        );
    }

    async fn one_tier_is_the_default_and_edits_here_stay(db: TestDb) {
        for id in ["prod_b", "prod_a"] {
            db.stripe.put(&product(id, true));
            receive(&db, &event(&format!("evt_{id}"), "product.created", &product(id, true))).await;
        }
        db.drain(&registry()).await;
        let default: Vec<(String,)> = db.rows(Sql::both("SELECT id FROM tiers WHERE is_default"), &[]).await;
        assert_eq!(default, [("prod_a".to_owned(),)]);
        db.execute(
            Sql::both("UPDATE tiers SET benefits = '[\"Ours\"]', edited_at = 1 WHERE id = 'prod_a'"), &[],
        ).await;
        db.advance(Duration::from_mins(1));
        receive(&db, &event("evt_again", "product.updated", &product("prod_a", false))).await;
        db.drain(&registry()).await;
        let tier: Vec<(String, bool)> =
            db.rows(Sql::both("SELECT benefits, is_default FROM tiers WHERE id = 'prod_a'"), &[]).await;
        assert_eq!(tier, [("[\"Ours\"]".to_owned(), true)]);
    }

    async fn an_address_of_another_member_is_never_taken(db: TestDb) {
        let mut second = customer("cus_2");
        second["email"] = json!("CUS_1@example.com");
        db.stripe.put(&customer("cus_1"));
        db.stripe.put(&second);
        receive(&db, &event("evt_1", "customer.created", &customer("cus_1"))).await;
        db.drain(&registry()).await;
        receive(&db, &event("evt_2", "customer.created", &second)).await;
        db.drain(&registry()).await;
        assert_eq!(db.count("members").await, 2);
        assert_eq!(db.count("members WHERE email IS NULL").await, 1);
        assert_eq!(db.count("customers WHERE link = 'email_taken'").await, 1);
    }
}
