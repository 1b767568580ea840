//! Reconciliations and polls: what they find, what they leave alone, and what an interruption costs.

use std::time::Duration;

use serde_json::json;

use super::{
    customer, event, objects::payment_method, old_event, product, receive, registry, subscription,
};
use crate::{
    both,
    kernel::{
        Job,
        db::Sql,
        outbox::NewJob,
        ports::{Listing, ObjectType, StripeError},
    },
    sync::{
        BackfillObjects, FetchObject, PollEvents, ReconcileObjects, diff,
        store::{
            cursors::{self, Cursor},
            objects::{self, Left, Scope},
            runs,
        },
    },
    testing::{Call, TestDb},
};

pub(super) async fn enqueue<J: Job>(db: &TestDb, job: &J) {
    db.enqueue(NewJob::of("default", job).unwrap()).await;
}

pub(super) fn reconcile() -> ReconcileObjects {
    ReconcileObjects { organization: Some("default".to_owned()) }
}

pub(super) fn away() -> StripeError {
    StripeError::Unavailable("away".to_owned())
}

/// A mirror that is equal, five minutes old.
pub(super) async fn filled(db: &TestDb, count: usize) {
    db.stripe.put(&product("prod_a", true));
    for number in 0..count {
        let id = format!("cus_{number:03}");
        let mut jane = customer(&id);
        jane["invoice_settings"] = json!({ "default_payment_method": format!("pm_{number:03}") });
        db.stripe.put(&jane);
        db.stripe.put(&payment_method(&format!("pm_{number:03}"), &id));
        db.stripe.put(&subscription(&format!("sub_{number:03}"), &id, "prod_a", "active"));
    }
    enqueue(db, &BackfillObjects::default()).await;
    db.drain(&registry()).await;
    db.advance(Duration::from_mins(5));
}

/// Everything that a reconciliation could have written, the places and records of its own left out.
async fn written(db: &TestDb) -> Vec<(String, i64, i64)> {
    let objects = Sql::both(
        "SELECT type || id || raw, as_of, updated_at FROM stripe_objects
         UNION ALL SELECT id || status, updated_at, 0 FROM members
         UNION ALL SELECT id, 0, 0 FROM entitlements UNION ALL SELECT id, 0, 0 FROM events ORDER BY 1",
    );
    db.rows(objects, &[]).await
}

fn retrieved(db: &TestDb) -> usize {
    db.stripe.calls().iter().filter(|call| matches!(call, Call::Retrieve(..))).count()
}

both! {
    async fn what_differs_is_on_record_field_by_field(db: TestDb) {
        filled(&db, 3).await;
        let mut renamed = customer("cus_001");
        renamed["invoice_settings"] = json!({ "default_payment_method": "pm_001" });
        renamed["name"] = json!("Jane Miller");
        for object in [&renamed, &subscription("sub_000", "cus_000", "prod_a", "canceled"), &customer("cus_new")] {
            db.stripe.put(object);
        }
        db.stripe.remove(ObjectType::Subscription, "sub_002");
        // Of one change an event told that could not be applied.
        receive(&db, &old_event("evt_1", "customer.created", &customer("cus_new"))).await;
        db.execute(Sql::both("UPDATE stripe_events SET state = 'failed'"), &[]).await;
        db.execute(Sql::both("DELETE FROM jobs WHERE kind = 'sync.apply_events'"), &[]).await;
        enqueue(&db, &reconcile()).await;
        db.drain(&registry()).await;
        let found = runs::drift(&db.db, "default", 10).await.unwrap();
        let mut told: Vec<_> = found
            .iter()
            .map(|row| {
                let side = |value: &Option<String>| value.clone().unwrap_or_default();
                [row.object_id.clone(), row.field.clone(), side(&row.ours), side(&row.stripes), row.cause.clone()]
            })
            .collect();
        told.sort();
        assert_eq!(told, [
            ["cus_001", "name", "a text of 10 characters", "a text of 11 characters", "no_event"],
            ["cus_new", "object", "", "there", "failed_event"],
            ["sub_000", "status", "active", "canceled", "no_event"],
            ["sub_002", "object", "there", "", "no_event"],
        ]);
        let run = runs::latest(&db.db, "default", 5).await.unwrap().remove(0);
        // One product, four customers, two subscriptions.
        assert_eq!((run.state.as_str(), run.objects, run.drifted), ("done", 7, 4));
        assert!(found.iter().all(|row| row.run_id == run.id));
        assert_eq!(db.count("events WHERE type = 'sync.drift_detected'").await, 1);
        assert_eq!(diff(&db.env, "default").await.unwrap().drift, []);
    }

    async fn a_second_reconciliation_writes_nothing(db: TestDb) {
        filled(&db, 3).await;
        enqueue(&db, &reconcile()).await;
        db.drain(&registry()).await;
        let before = written(&db).await;
        db.stripe.forget_calls();
        db.advance(Duration::from_hours(24));
        enqueue(&db, &reconcile()).await;
        db.drain(&registry()).await;
        assert_eq!(written(&db).await, before);
        assert_eq!(retrieved(&db), 4, "three payment methods and the account, which no list has");
        assert_eq!(db.count("sync_drift").await, 0);
        assert_eq!(db.count("sync_seen").await, 0);
        assert_eq!(db.count("sync_runs WHERE state = 'done' AND drifted = 0 AND objects = 7").await, 2);
    }

    async fn what_an_event_on_its_way_will_repair_is_no_drift(db: TestDb) {
        filled(&db, 1).await;
        let mut renamed = customer("cus_000");
        renamed["name"] = json!("Jane Miller");
        db.stripe.put(&renamed);
        receive(&db, &event("evt_1", "customer.updated", &renamed)).await;
        db.execute(Sql::both("DELETE FROM jobs WHERE kind = 'sync.apply_events'"), &[]).await;
        enqueue(&db, &reconcile()).await;
        db.drain(&registry()).await;
        assert_eq!((db.count("sync_drift").await, db.count("customers WHERE name = 'Jane Miller'").await), (0, 1));
    }

    async fn a_reconciliation_that_was_interrupted_asks_for_nothing_twice_and_keeps_what_it_found(db: TestDb) {
        filled(&db, 30).await;
        db.stripe.set_page(10);
        let mut renamed = customer("cus_029");
        renamed["name"] = json!("Jane Miller");
        db.stripe.put(&renamed);
        enqueue(&db, &reconcile()).await;
        db.drain(&registry()).await;
        let whole = |db: &TestDb| db.stripe.calls().into_iter().filter(|call| matches!(call, Call::List(..))).count();
        db.advance(Duration::from_hours(24));
        db.stripe.forget_calls();
        enqueue(&db, &reconcile()).await;
        db.drain(&registry()).await;
        let needed = whole(&db);
        // Once more, broken off after each of its requests.
        renamed["name"] = json!("Jane Smith");
        db.stripe.put(&renamed);
        db.advance(Duration::from_hours(24));
        db.stripe.forget_calls();
        enqueue(&db, &reconcile()).await;
        for done in 0..needed {
            db.stripe.fail_at(usize::from(done > 0), away());
            assert_eq!(db.drain_allowing_failures(&registry()).await.errors.len(), 1);
            // Of ten attempts none is to be the last.
            db.execute(Sql::both("UPDATE jobs SET attempt = 1"), &[]).await;
            db.advance(Duration::from_mins(1));
        }
        db.drain(&registry()).await;
        assert_eq!(whole(&db), needed + needed, "as many as needed, and one failure for each");
        let latest = runs::latest(&db.db, "default", 5).await.unwrap();
        assert_eq!((latest.len(), latest[0].drifted, latest[0].objects), (3, 1, latest[1].objects));
        assert_eq!(runs::drift(&db.db, "default", 5).await.unwrap()[0].run_id, latest[0].id);
        assert_eq!(diff(&db.env, "default").await.unwrap().drift, []);
    }

    async fn one_that_was_broken_off_long_ago_begins_anew(db: TestDb) {
        filled(&db, 3).await;
        enqueue(&db, &reconcile()).await;
        db.stripe.fail_at(4, away());
        assert_eq!(db.drain_allowing_failures(&registry()).await.retried, 1);
        db.execute(Sql::both("DELETE FROM jobs"), &[]).await;
        db.advance(Duration::from_hours(24));
        db.stripe.forget_calls();
        enqueue(&db, &reconcile()).await;
        db.drain(&registry()).await;
        let latest = runs::latest(&db.db, "default", 5).await.unwrap();
        let told: Vec<_> = latest.iter().map(|run| (run.state.as_str(), run.objects)).collect();
        assert_eq!(told, [("done", 7), ("abandoned", told[1].1)]);
        let products = Call::List("default".to_owned(), Listing::Objects(ObjectType::Product), None);
        assert!(db.stripe.calls().contains(&products), "what was done then is done again");
    }

    async fn of_many_that_no_list_has_each_has_its_turn(db: TestDb) {
        filled(&db, 3).await;
        let scope = Scope { organization: "default", stripe: &db.settings.organizations["default"] };
        let mut tx = db.db.begin().await.unwrap();
        runs::see(&mut tx, "default", "a walk", &["cus_001"]).await.unwrap();
        let since = db.now();
        let mut after = String::new();
        let mut turns = Vec::new();
        for _ in 0..2 {
            let left = Left { stream: "a walk", since, after: &after };
            turns.push(objects::unseen(&mut tx, &scope, ObjectType::Customer, &left, 1).await.unwrap());
            after.clone_from(&turns.last().unwrap()[0]);
        }
        assert_eq!(turns, [["cus_000"], ["cus_002"]]);
        let early = Left { stream: "a walk", since: since.minus(Duration::from_hours(1)), after: "" };
        let written_since = objects::unseen(&mut tx, &scope, ObjectType::Customer, &early, 9).await.unwrap();
        assert_eq!(written_since, Vec::<String>::new());
    }

    async fn who_looks_and_who_was_told_do_not_fold(db: TestDb) {
        filled(&db, 1).await;
        let told = FetchObject::of(ObjectType::Customer, "cus_000");
        let looks = FetchObject { run: Some("rec_1".to_owned()), ..FetchObject::of(ObjectType::Customer, "cus_000") };
        enqueue(&db, &looks).await;
        enqueue(&db, &told).await;
        enqueue(&db, &told).await;
        assert_eq!(db.count("jobs WHERE kind = 'sync.fetch_object'").await, 2);
    }

    async fn a_poll_that_was_interrupted_goes_on_where_it_was(db: TestDb) {
        db.stripe.set_page(10);
        let announce = |id: &str, ago: i64| {
            db.stripe.put(&customer(&format!("cus_{id}")));
            let mut made = event(&format!("evt_{id}"), "customer.created", &customer(&format!("cus_{id}")));
            made["created"] = json!(db.now().seconds() - ago);
            db.stripe.put_event(&made);
        };
        for number in 0..35 {
            announce(&format!("{number:02}"), 100 - number);
        }
        enqueue(&db, &PollEvents::default()).await;
        db.stripe.fail_at(2, away());
        assert_eq!(db.drain_allowing_failures(&registry()).await.retried, 1);
        assert_eq!((db.stripe.calls().len(), db.count("stripe_events").await), (3, 20));
        // What comes meanwhile is for the next poll.
        announce("late", 0);
        db.advance(Duration::from_mins(1));
        db.drain(&registry()).await;
        assert_eq!((db.stripe.calls().len(), db.count("stripe_events").await), (5, 35));
        assert_eq!(db.count("sync_cursors WHERE stream = 'events' AND state = 'done' AND objects = 35").await, 1);
        enqueue(&db, &PollEvents::default()).await;
        db.drain(&registry()).await;
        assert_eq!(db.count("customers").await, 36);
    }

    async fn a_poll_that_brings_what_webhooks_have_missed_comes_again_soon(db: TestDb) {
        let told = async |id: &str, ago: i64| {
            let mut made = event(id, "customer.created", &customer(&format!("cus_of_{id}")));
            made["created"] = json!(db.now().seconds() - ago);
            db.stripe.put_event(&made);
        };
        let polls = async || db.count("jobs_done WHERE kind = 'sync.poll_events'").await;
        // Before the first poll nobody was here to receive webhooks.
        told("evt_before", 100).await;
        enqueue(&db, &PollEvents::default()).await;
        db.drain(&registry()).await;
        assert_eq!((polls().await, db.count("jobs").await), (1, 0));
        // What was made a moment ago may still come by a webhook.
        told("evt_young", 10).await;
        enqueue(&db, &PollEvents::default()).await;
        db.drain(&registry()).await;
        assert_eq!((polls().await, db.count("jobs").await), (2, 0));
        told("evt_old", 100).await;
        enqueue(&db, &PollEvents::default()).await;
        db.drain(&registry()).await;
        for more in 1..=3 {
            // As long as it brings such events.
            db.advance(Duration::from_mins(1));
            told(&format!("evt_{more}"), 30).await;
            db.drain(&registry()).await;
            assert_eq!(polls().await, 3 + more);
        }
        db.advance(Duration::from_mins(1));
        db.drain(&registry()).await;
        assert_eq!((polls().await, db.count("jobs").await, db.count("customers").await), (7, 0, 6));
    }

    async fn a_gap_is_told_of_though_a_later_page_does_not_come(db: TestDb) {
        enqueue(&db, &PollEvents::default()).await;
        db.drain(&registry()).await;
        db.stripe.set_page(1);
        for number in [1, 2] {
            let mut made = event(&format!("evt_{number}"), "customer.created", &customer(&format!("cus_{number}")));
            made["created"] = json!(db.now().seconds() - 100);
            db.stripe.put_event(&made);
        }
        enqueue(&db, &PollEvents::default()).await;
        db.stripe.fail_at(1, away());
        assert_eq!(db.drain_allowing_failures(&registry()).await.retried, 1);
        let again = "jobs WHERE kind = 'sync.poll_events' AND organization_id = 'default' AND attempt = 0";
        assert_eq!((db.count("stripe_events").await, db.count(again).await), (1, 1));
    }

    async fn a_poll_that_is_told_to_stop_asks_for_no_more(db: TestDb) {
        db.stripe.put(&customer("cus_1"));
        enqueue(&db, &PollEvents::default()).await;
        assert_eq!((db.drain_stopping(&registry()).await.snoozed, db.stripe.calls().len()), (1, 0));
        db.advance(Duration::from_secs(1));
        assert_eq!(db.drain(&registry()).await.completed, 1);
    }

    async fn an_event_that_the_database_refuses_keeps_no_other_from_being_polled(db: TestDb) {
        // Of two events of one type the second is refused.
        db.execute(Sql::both("CREATE UNIQUE INDEX refuses ON stripe_events (type)"), &[]).await;
        for (number, kind) in ["created", "updated", "updated", "deleted"].iter().enumerate() {
            let mut made = event(&format!("evt_{number}"), &format!("customer.{kind}"), &customer("cus_1"));
            made["created"] = json!(db.now().seconds() - 10 + i64::try_from(number).unwrap());
            db.stripe.put_event(&made);
        }
        enqueue(&db, &PollEvents::default()).await;
        db.drain(&registry()).await;
        assert_eq!((db.count("stripe_events").await, db.count("stripe_objects WHERE deleted").await), (3, 1));
        assert_eq!(db.count("sync_cursors WHERE stream = 'events' AND state = 'done'").await, 1);
    }

    async fn an_event_whose_fetch_is_no_more_is_read_again_after_a_day(db: TestDb) {
        db.stripe.put(&customer("cus_1"));
        receive(&db, &old_event("evt_1", "customer.created", &customer("cus_1"))).await;
        db.stripe.fail_next(away());
        assert_eq!(db.drain_allowing_failures(&registry()).await.retried, 1);
        db.execute(Sql::both("DELETE FROM jobs"), &[]).await;
        for applied in [0, 1] {
            enqueue(&db, &PollEvents::default()).await;
            db.drain(&registry()).await;
            assert_eq!(db.count("stripe_events WHERE state = 'applied'").await, applied);
            db.advance(Duration::from_hours(25));
        }
    }

    async fn a_poll_whose_place_stripe_has_forgotten_begins_at_the_newest(db: TestDb) {
        let place = Cursor {
            stream: "events".to_owned(),
            cursor: Some(format!("{}:{}:evt_gone", db.now().minus(Duration::from_hours(1)).0, db.now().0)),
            state: "running".to_owned(),
            objects: 5,
            started_at: db.now(),
            updated_at: db.now(),
        };
        let mut tx = db.db.begin().await.unwrap();
        cursors::put(&mut tx, "default", &place).await.unwrap();
        tx.commit().await.unwrap();
        let mut made = event("evt_1", "customer.created", &customer("cus_1"));
        made["created"] = json!(db.now().seconds() - 3_000);
        db.stripe.put_event(&made);
        enqueue(&db, &PollEvents::default()).await;
        let (code, message) = ("resource_missing".to_owned(), "no".to_owned());
        db.stripe.fail_next(StripeError::Refused { status: 400, code, message, request_id: String::new() });
        assert_eq!(db.drain_allowing_failures(&registry()).await.errors.len(), 1);
        enqueue(&db, &PollEvents::default()).await;
        db.advance(Duration::from_mins(1));
        db.drain(&registry()).await;
        assert_eq!(db.count("stripe_events WHERE state = 'applied'").await, 1);
        assert_eq!(db.count("sync_cursors WHERE stream = 'events' AND state = 'done' AND objects = 6").await, 1);
    }
}
