//! Backfill, reconciliation, polling, and the proof of equality.

use std::time::Duration;

use serde_json::json;

use super::{
    customer, event, members, old_event, price, product, receive, registry, subscription,
};
use crate::{
    both,
    kernel::{Job, db::Sql, outbox::NewJob, ports::{ObjectType, StripeError}},
    sync::{
        BackfillObjects, PollEvents, ReconcileObjects, diff, other_account,
        store::cursors::{self, Cursor},
    },
    testing::{Call, TestDb},
};

async fn enqueue<J: Job>(db: &TestDb, job: &J) {
    db.enqueue(NewJob::of("default", job).unwrap()).await;
}

const LAST_POLL: Sql = Sql::both(
    "SELECT report FROM jobs_done WHERE kind = 'sync.poll_events' ORDER BY finished_at DESC LIMIT 1",
);

fn refused(code: &str) -> StripeError {
    let (code, message) = (code.to_owned(), "no".to_owned());
    StripeError::Refused { status: 400, code, message, request_id: "req_1".to_owned() }
}

fn fill(db: &TestDb, count: usize) {
    db.stripe.put(&product("prod_a", true));
    for number in 0..count {
        let id = format!("cus_{number:03}");
        db.stripe.put(&customer(&id));
        db.stripe.put(&subscription(&format!("sub_{number:03}"), &id, "prod_a", "active"));
    }
}

fn in_mode(db: TestDb, account: &str, livemode: bool) -> TestDb {
    let account = account.to_owned();
    db.with_settings(|settings| {
        let organization = settings.organizations.get_mut("default").unwrap();
        (organization.account, organization.livemode) = (account, livemode);
    })
}

both! {
    async fn a_poll_asks_for_nothing_twice_and_writes_nothing_that_is_known(db: TestDb) {
        for number in 0..5 {
            let (id, customer) = (format!("evt_{number}"), customer(&format!("cus_{number}")));
            db.stripe.put(&customer);
            let mut event = event(&id, "customer.created", &customer);
            event["created"] = json!(db.now().seconds() - 60);
            db.stripe.put_event(&event);
            if number < 3 {
                receive(&db, &event).await;
            }
        }
        for new in [2, 0] {
            enqueue(&db, &PollEvents::default()).await;
            db.drain(&registry()).await;
            let reports: Vec<(String,)> = db.rows(LAST_POLL, &[]).await;
            assert_eq!(reports[0].0, format!(r#"{{"events":5,"new":{new}}}"#));
            db.advance(Duration::from_mins(1));
        }
        assert_eq!(db.count("stripe_events WHERE state = 'applied'").await, 5);
    }

    async fn a_job_walks_no_other_organization_than_its_own(db: TestDb) {
        fill(&db, 1);
        enqueue(&db, &ReconcileObjects { organization: Some("other".to_owned()) }).await;
        let drained = db.drain_allowing_failures(&registry()).await;
        assert_eq!((drained.discarded, db.stripe.calls().len()), (1, 0), "{:?}", drained.errors);
    }

    async fn a_mirror_of_another_account_or_mode_is_noticed(db: TestDb) {
        let mut db = in_mode(db, "acct_b", false);
        assert_eq!(other_account(&db.env).await.unwrap(), None);
        db.stripe.put(&customer("cus_1"));
        receive(&db, &event("evt_1", "customer.created", &customer("cus_1"))).await;
        db.drain(&registry()).await;
        assert_eq!(other_account(&db.env).await.unwrap(), None);
        for (account, livemode) in [("acct_a", false), ("acct_c", false), ("acct_b", true), ("", false)] {
            db = in_mode(db, account, livemode);
            let text = other_account(&db.env).await.unwrap().unwrap().to_string();
            assert!(text.starts_with("the database mirrors acct_b in test mode for organization `default`"), "{text}");
        }
    }

    async fn a_backfill_fills_an_empty_mirror(db: TestDb) {
        fill(&db, 25);
        db.stripe.set_page(10);
        assert_eq!(diff(&db.env, "default").await.unwrap().drift.len(), 51);
        enqueue(&db, &BackfillObjects::default()).await;
        db.drain(&registry()).await;
        assert_eq!(diff(&db.env, "default").await.unwrap().drift, []);
        assert_eq!(members(&db).await.len(), 25);
        assert_eq!(db.count("members WHERE status = 'active'").await, 25);
        assert_eq!(db.count("sync_cursors WHERE state = 'done'").await, 14);
    }

    async fn a_backfill_asks_for_no_customer_whom_its_lists_bring(db: TestDb) {
        fill(&db, 25);
        db.stripe.set_page(10);
        // Gone at Stripe, or in no list: only asking tells.
        db.stripe.put(&subscription("sub_gone", "cus_gone", "prod_a", "active"));
        let asked = |db: &TestDb| -> Vec<_> {
            let calls = db.stripe.calls().into_iter();
            calls.filter(|call| matches!(call, Call::Retrieve(_, ObjectType::Customer, _))).collect()
        };
        // The subscriptions are walked to their end before the first customer comes.
        let mut tx = db.db.begin().await.unwrap();
        let customers = Cursor::at_start("backfill:customer".to_owned(), db.now());
        cursors::put(&mut tx, "default", &customers).await.unwrap();
        tx.commit().await.unwrap();
        for word in ["product", "subscription"] {
            enqueue(&db, &BackfillObjects { object_type: Some(word.to_owned()) }).await;
        }
        db.drain(&registry()).await;
        assert_eq!((asked(&db), db.count("subscriptions").await), (vec![], 26));
        enqueue(&db, &BackfillObjects { object_type: Some("customer".to_owned()) }).await;
        db.drain(&registry()).await;
        let gone = Call::Retrieve("default".to_owned(), ObjectType::Customer, "cus_gone".to_owned());
        assert_eq!(asked(&db), [gone]);
        assert_eq!(db.count("members WHERE status = 'active'").await, 25);
        assert_eq!(db.count("sync_seen").await, 0);
        assert_eq!(diff(&db.env, "default").await.unwrap().drift, []);
    }

    async fn a_backfill_asks_for_its_pages_and_nothing_else(db: TestDb) {
        fill(&db, 25);
        db.stripe.set_page(10);
        enqueue(&db, &BackfillObjects::default()).await;
        db.drain(&registry()).await;
        let (lists, objects): (Vec<_>, Vec<_>) =
            db.stripe.calls().into_iter().partition(|call| matches!(call, Call::List(..)));
        // Three pages of customers, three of subscriptions, and the first of each of the eleven other lists.
        assert_eq!(lists.len(), 17, "{lists:?}");
        // The account is in no list.
        let account = Call::Retrieve("default".to_owned(), ObjectType::Account, "acct_test".to_owned());
        assert_eq!(objects, [account]);
    }

    async fn customers_whose_walk_has_stalled_are_sent_for(db: TestDb) {
        fill(&db, 1);
        let mut tx = db.db.begin().await.unwrap();
        let customers = Cursor::at_start("backfill:customer".to_owned(), db.now());
        cursors::put(&mut tx, "default", &customers).await.unwrap();
        tx.commit().await.unwrap();
        enqueue(&db, &BackfillObjects { object_type: Some("subscription".to_owned()) }).await;
        db.drain(&registry()).await;
        assert_eq!(db.count("customers").await, 0);
        db.advance(Duration::from_mins(11));
        db.drain(&registry()).await;
        assert_eq!(db.count("members WHERE status = 'active'").await, 1);
    }

    async fn prices_that_are_no_longer_sold_are_mirrored_too(db: TestDb) {
        let mut old = price("price_old", "prod_a", 500);
        old["active"] = json!(false);
        db.stripe.put(&old);
        db.stripe.put(&price("price_1", "prod_a", 999));
        enqueue(&db, &BackfillObjects { object_type: Some("price".to_owned()) }).await;
        db.drain(&registry()).await;
        assert_eq!((db.count("prices").await, db.count("prices WHERE active").await), (2, 1));
        let comparison = diff(&db.env, "default").await.unwrap();
        assert_eq!((comparison.drift.len(), comparison.compared["price"]), (0, 2));
    }

    async fn a_backfill_resumes_at_its_checkpoint(db: TestDb) {
        fill(&db, 30);
        db.stripe.set_page(10);
        enqueue(&db, &BackfillObjects { object_type: Some("customer".to_owned()) }).await;
        db.stripe.fail_next(StripeError::Unavailable("the first page fails".to_owned()));
        assert_eq!(db.drain_allowing_failures(&registry()).await.retried, 1);
        db.advance(Duration::from_mins(1));
        db.stripe.forget_calls();
        db.drain(&registry()).await;
        assert_eq!((db.count("customers").await, db.stripe.calls().len()), (30, 3));
    }

    async fn a_backfill_ends_with_its_last_page(db: TestDb) {
        fill(&db, 3);
        enqueue(&db, &BackfillObjects::default()).await;
        let drained = db.drain(&registry()).await;
        // Otherwise a process that dies before the end is written walks everything again.
        assert_eq!(drained.completed, drained.by_themselves, "{drained:?}");
        assert_eq!(db.count("customers").await, 3);
    }

    async fn a_reconciliation_finds_what_no_event_announced(db: TestDb) {
        fill(&db, 3);
        enqueue(&db, &BackfillObjects::default()).await;
        db.drain(&registry()).await;
        db.advance(Duration::from_mins(5));
        // Three webhooks never came: a cancellation, a new customer, a deletion.
        db.stripe.put(&subscription("sub_000", "cus_000", "prod_a", "canceled"));
        db.stripe.put(&customer("cus_new"));
        db.stripe.remove(ObjectType::Customer, "cus_002");
        let drift = diff(&db.env, "default").await.unwrap().drift;
        let hows: Vec<_> = drift.iter().map(|one| (one.id.as_str(), one.how)).collect();
        assert_eq!(hows, [("cus_new", "missing"), ("cus_002", "extra"), ("sub_000", "differs")]);
        assert_eq!(drift[2].fields, ["status"]);
        enqueue(&db, &ReconcileObjects::default()).await;
        db.drain(&registry()).await;
        assert_eq!(diff(&db.env, "default").await.unwrap().drift, []);
        assert_eq!(db.count("customers WHERE deleted AND id = 'cus_002'").await, 1);
        assert_eq!(db.count("events WHERE type = 'sync.drift_detected'").await, 1);
        assert_eq!(db.count("members WHERE status = 'churned'").await, 1);
        // Nothing is left for a second one.
        db.advance(Duration::from_mins(5));
        enqueue(&db, &ReconcileObjects::default()).await;
        db.drain(&registry()).await;
        assert_eq!(db.count("events WHERE type = 'sync.drift_detected'").await, 1);
    }

    async fn what_stripe_did_not_know_for_a_while_comes_back(db: TestDb) {
        fill(&db, 2);
        enqueue(&db, &BackfillObjects::default()).await;
        db.drain(&registry()).await;
        // The key of another account: nothing of ours is there.
        for (kind, id) in [
            (ObjectType::Product, "prod_a"), (ObjectType::Customer, "cus_000"), (ObjectType::Customer, "cus_001"),
            (ObjectType::Subscription, "sub_000"), (ObjectType::Subscription, "sub_001"),
        ] {
            db.stripe.remove(kind, id);
        }
        db.advance(Duration::from_mins(5));
        enqueue(&db, &ReconcileObjects::default()).await;
        db.drain(&registry()).await;
        assert_eq!(db.count("stripe_objects WHERE deleted AND type <> 'account'").await, 5);
        assert_eq!(db.count("members WHERE status = 'active'").await, 0);
        // The right key again.
        fill(&db, 2);
        db.advance(Duration::from_mins(5));
        enqueue(&db, &ReconcileObjects::default()).await;
        db.drain(&registry()).await;
        assert_eq!(diff(&db.env, "default").await.unwrap().drift, []);
        assert_eq!(db.count("members WHERE status = 'active'").await, 2);
        for table in ["customers", "products", "subscriptions"] {
            assert_eq!(db.count(&format!("{table} WHERE deleted")).await, 0, "{table}");
        }
        assert_eq!(db.count("tiers WHERE active").await, 1);
    }

    async fn a_page_that_is_older_than_a_tombstone_raises_nothing(db: TestDb) {
        db.stripe.put(&customer("cus_1"));
        receive(&db, &event("evt_1", "customer.created", &customer("cus_1"))).await;
        db.drain(&registry()).await;
        let before = db.env.now();
        db.advance(Duration::from_mins(1));
        db.stripe.remove(ObjectType::Customer, "cus_1");
        receive(&db, &event("evt_2", "customer.deleted", &customer("cus_1"))).await;
        db.drain(&registry()).await;
        db.stripe.put(&customer("cus_1"));
        db.stripe.set_as_of(Some(before));
        enqueue(&db, &BackfillObjects { object_type: Some("customer".to_owned()) }).await;
        db.drain(&registry()).await;
        assert_eq!(db.count("stripe_objects WHERE deleted").await, 1);
    }

    async fn a_walk_whose_place_is_gone_starts_over(db: TestDb) {
        fill(&db, 30);
        let lost = Cursor {
            stream: "backfill:customer".to_owned(),
            cursor: Some("0:cus_gone".to_owned()),
            state: "running".to_owned(),
            objects: 100,
            started_at: db.env.now(),
            updated_at: db.env.now(),
        };
        let mut tx = db.db.begin().await.unwrap();
        cursors::put(&mut tx, "default", &lost).await.unwrap();
        tx.commit().await.unwrap();
        enqueue(&db, &BackfillObjects { object_type: Some("customer".to_owned()) }).await;
        db.stripe.fail_next(refused("resource_missing"));
        assert_eq!(db.drain_allowing_failures(&registry()).await.retried, 1);
        db.advance(Duration::from_mins(1));
        db.drain(&registry()).await;
        assert_eq!(db.count("customers").await, 30);
        assert_eq!(db.count("sync_cursors WHERE state = 'done' AND objects = 30").await, 1);
    }

    async fn a_deletion_is_found_whose_object_was_fetched_in_the_second_of_the_page(db: TestDb) {
        db.stripe.set_as_of(Some(db.env.now()));
        db.stripe.put(&customer("cus_1"));
        receive(&db, &old_event("evt_1", "customer.created", &customer("cus_1"))).await;
        db.drain(&registry()).await;
        db.advance(Duration::from_millis(600));
        db.stripe.remove(ObjectType::Customer, "cus_1");
        enqueue(&db, &ReconcileObjects::default()).await;
        // For a minute Stripe may not know what was just there.
        assert_eq!(db.drain_allowing_failures(&registry()).await.retried, 1);
        db.stripe.set_as_of(None);
        db.advance(Duration::from_mins(2));
        db.drain(&registry()).await;
        assert_eq!(db.count("customers WHERE deleted").await, 1);
    }

    async fn a_poll_has_those_events_read_whose_job_is_gone(db: TestDb) {
        let mut came = event("evt_1", "customer.created", &customer("cus_1"));
        came["created"] = json!(db.now().seconds());
        receive(&db, &came).await;
        db.stripe.put_event(&came);
        db.execute(Sql::both("DELETE FROM jobs WHERE kind = 'sync.apply_events'"), &[]).await;
        enqueue(&db, &PollEvents::default()).await;
        db.drain(&registry()).await;
        assert_eq!(db.count("stripe_events WHERE state = 'applied'").await, 1);
        let polls = db.count("jobs_done WHERE kind = 'sync.apply_events'").await;
        enqueue(&db, &PollEvents::default()).await;
        db.drain(&registry()).await;
        assert_eq!(db.count("jobs_done WHERE kind = 'sync.apply_events'").await, polls, "nothing is left to read");
    }

    async fn a_poll_brings_the_webhook_that_never_came(db: TestDb) {
        db.stripe.put(&customer("cus_1"));
        let mut lost = event("evt_lost", "customer.created", &customer("cus_1"));
        let mut came = event("evt_came", "customer.created", &customer("cus_1"));
        for one in [&mut lost, &mut came] {
            one["created"] = json!(db.env.now().seconds());
            db.stripe.put_event(one);
        }
        receive(&db, &came).await;
        db.drain(&registry()).await;
        enqueue(&db, &PollEvents::default()).await;
        db.drain(&registry()).await;
        assert_eq!(db.count("stripe_events WHERE source = 'poll' AND state = 'applied'").await, 1);
        assert_eq!(db.count("stripe_events").await, 2);
        enqueue(&db, &PollEvents::default()).await;
        db.drain(&registry()).await;
        assert_eq!(db.count("stripe_events").await, 2);
    }

    async fn a_page_never_overwrites_what_was_fetched_in_the_same_second(db: TestDb) {
        let second = db.env.now();
        db.stripe.set_as_of(Some(second));
        let mut newer = customer("cus_1");
        newer["name"] = json!("Newer");
        db.stripe.put(&newer);
        receive(&db, &old_event("evt_1", "customer.updated", &newer)).await;
        db.drain(&registry()).await;
        // The walk's page was rendered earlier in that second.
        db.stripe.put(&customer("cus_1"));
        enqueue(&db, &BackfillObjects { object_type: Some("customer".to_owned()) }).await;
        db.drain(&registry()).await;
        assert_eq!(db.count("customers WHERE name = 'Newer'").await, 1);
    }
}
