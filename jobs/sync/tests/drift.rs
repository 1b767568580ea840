//! What reconciliations have found: what counts as drift, how often it is told, and how long it is kept.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    customer, event, product, receive, registry,
    recover::{away, enqueue, filled, reconcile},
};
use crate::{
    args, both,
    kernel::{
        Timestamp,
        db::Sql,
        ports::{ObjectType, StripeError},
    },
    sync::{
        diff,
        drift::NOTED_MAX,
        standing,
        store::runs::{self, Run},
    },
    testing::{Call, TestDb},
};

/// Requests of a reconciliation before it asks for subscriptions, where each list is one page: products, prices, prices
/// that are not sold, coupons, promotion codes, customers.
const BEFORE_SUBSCRIPTIONS: usize = 6;
/// When something is told of drift.
const TOLD: &str = "events WHERE type = 'sync.drift_detected'";

fn renamed(id: &str, name: &str) -> Value {
    let mut object = customer(&format!("cus_{id}"));
    object["invoice_settings"] = json!({ "default_payment_method": format!("pm_{id}") });
    object["name"] = json!(name);
    object
}

async fn latest(db: &TestDb) -> Run {
    runs::latest(&db.db, "default", 1).await.unwrap().remove(0)
}

/// Dates what is held of a customer, as a wrong clock would.
async fn date(db: &TestDb, id: &str, at: Timestamp) {
    let sql = Sql::both("UPDATE stripe_objects SET as_of = $1, true_until = $1 WHERE id = $2");
    assert_eq!(db.execute(sql, args![at, id]).await, 1);
}

/// On SQLite there is one transaction at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_has_told_meanwhile_is_no_drift() {
    let db = TestDb::postgres().await;
    filled(&db, 1).await;
    db.stripe.put(&customer("cus_new"));
    let mut other = db.db.begin().await.unwrap();
    let told = Sql::both(
        "INSERT INTO stripe_objects (organization_id, account, livemode, type, id, raw, as_of, true_until, deleted, updated_at)
         SELECT organization_id, account, livemode, type, 'cus_new', $1, $2, $2, deleted, updated_at
         FROM stripe_objects WHERE id = 'cus_000'",
    );
    let raw = customer("cus_new").to_string();
    other.execute(told, args![&raw, db.now()]).await.unwrap();
    enqueue(&db, &reconcile()).await;
    let telling = async {
        db.until_one_waits().await;
        other.commit().await.unwrap();
    };
    let registry = registry();
    tokio::join!(db.drain(&registry), telling);
    assert_eq!((latest(&db).await.drifted, db.count("sync_drift").await), (0, 0));
}

both! {
    async fn a_change_whose_webhook_is_still_on_its_way_is_no_drift(db: TestDb) {
        filled(&db, 2).await;
        db.stripe.put(&renamed("000", "Jane Miller"));
        db.stripe.put(&renamed("001", "Jane Miller"));
        enqueue(&db, &reconcile()).await;
        db.stripe.fail_at(BEFORE_SUBSCRIPTIONS, away());
        assert_eq!(db.drain_allowing_failures(&registry()).await.retried, 1);
        assert_eq!(latest(&db).await.drifted, 2);
        let mut late = event("evt_late", "customer.updated", &renamed("000", "Jane Miller"));
        late["created"] = json!(db.now().seconds());
        db.advance(Duration::from_mins(1));
        receive(&db, &late).await;
        db.drain(&registry()).await;
        let found = runs::drift(&db.db, "default", 10).await.unwrap();
        let told: Vec<_> = found.iter().map(|row| row.object_id.as_str()).collect();
        assert_eq!((told, latest(&db).await.drifted), (vec!["cus_001"], 1));
    }

    async fn a_reconciliation_tells_of_drift_once(db: TestDb) {
        filled(&db, 3).await;
        for id in ["sub_000", "sub_001"] {
            db.stripe.remove(ObjectType::Subscription, id);
        }
        enqueue(&db, &reconcile()).await;
        db.drain(&registry()).await;
        assert_eq!((latest(&db).await.drifted, db.count(TOLD).await), (2, 1), "only looks found something");
        db.advance(Duration::from_hours(24));
        db.stripe.put(&renamed("000", "Jane Miller"));
        db.stripe.remove(ObjectType::Subscription, "sub_002");
        enqueue(&db, &reconcile()).await;
        db.drain(&registry()).await;
        assert_eq!((latest(&db).await.drifted, db.count(TOLD).await), (2, 2), "a walk and a look did");
    }

    async fn what_an_abandoned_reconciliation_found_is_told(db: TestDb) {
        filled(&db, 2).await;
        for (told, late) in [(0, true), (1, false)] {
            db.advance(Duration::from_hours(1));
            let name = format!("Jane Miller, late: {late}");
            db.stripe.put(&renamed("000", &name));
            enqueue(&db, &reconcile()).await;
            db.stripe.fail_at(BEFORE_SUBSCRIPTIONS, away());
            assert_eq!(db.drain_allowing_failures(&registry()).await.retried, 1);
            assert_eq!(latest(&db).await.drifted, 1);
            db.execute(Sql::both("DELETE FROM jobs"), &[]).await;
            if late {
                let mut event = event("evt_late", "customer.updated", &renamed("000", &name));
                event["created"] = json!(db.now().seconds());
                db.advance(Duration::from_mins(1));
                receive(&db, &event).await;
            }
            db.advance(Duration::from_hours(24));
            enqueue(&db, &reconcile()).await;
            db.drain(&registry()).await;
            assert_eq!((latest(&db).await.drifted, db.count(TOLD).await), (0, told));
        }
    }

    async fn a_reconciliation_that_takes_days_goes_on_while_it_comes_further(db: TestDb) {
        filled(&db, 30).await;
        db.stripe.set_page(10);
        enqueue(&db, &reconcile()).await;
        for _ in 0..5 {
            // One page more each time, with an attempt left.
            db.stripe.fail_at(1, away());
            assert_eq!(db.drain_allowing_failures(&registry()).await.retried, 1);
            db.execute(Sql::both("UPDATE jobs SET attempt = 1"), &[]).await;
            db.advance(Duration::from_hours(8));
        }
        db.drain(&registry()).await;
        let runs = runs::latest(&db.db, "default", 5).await.unwrap();
        assert_eq!((runs.len(), runs[0].state.as_str(), runs[0].objects), (1, "done", 61));
    }

    async fn a_walk_that_starts_over_counts_its_objects_once(db: TestDb) {
        filled(&db, 30).await;
        db.stripe.set_page(10);
        enqueue(&db, &reconcile()).await;
        let (code, message) = ("resource_missing".to_owned(), "no".to_owned());
        // The second page of customers.
        let gone = StripeError::Refused { status: 400, code, message, request_id: String::new() };
        db.stripe.fail_at(BEFORE_SUBSCRIPTIONS, gone);
        assert_eq!(db.drain_allowing_failures(&registry()).await.retried, 1);
        db.advance(Duration::from_mins(1));
        db.drain(&registry()).await;
        assert_eq!(latest(&db).await.objects, 61);
    }

    async fn a_row_from_the_future_is_brought_back(db: TestDb) {
        filled(&db, 2).await;
        let tomorrow = db.now().plus(Duration::from_hours(24));
        date(&db, "cus_000", tomorrow).await;
        date(&db, "cus_001", tomorrow).await;
        receive(&db, &event("evt_product", "product.created", &product("prod_gone", false))).await;
        db.stripe.put(&product("prod_gone", false));
        db.drain(&registry()).await;
        date(&db, "prod_gone", tomorrow).await;
        db.stripe.remove(ObjectType::Product, "prod_gone");
        db.advance(Duration::from_mins(2));
        db.stripe.put(&renamed("000", "Jane Miller"));
        enqueue(&db, &reconcile()).await;
        db.drain(&registry()).await;
        assert_eq!(diff(&db.env, "default").await.unwrap().drift, []);
        assert_eq!(db.count("products WHERE deleted").await, 1, "one that is gone is gone");
        // Also the one that was equal hears of events again.
        db.advance(Duration::from_mins(1));
        let mut newer = event("evt_1", "customer.updated", &renamed("001", "Jane Smythe"));
        newer["created"] = json!(db.now().seconds());
        receive(&db, &newer).await;
        db.drain(&registry()).await;
        assert_eq!(db.count("customers WHERE name = 'Jane Smythe'").await, 1);
        let future = format!("stripe_objects WHERE as_of > {now} OR true_until > {now}", now = db.now().0);
        assert_eq!(db.count(&future).await, 0);
    }

    async fn an_event_that_failed_before_the_object_was_learnt_is_no_cause(db: TestDb) {
        filled(&db, 1).await;
        receive(&db, &event("evt_1", "customer.updated", &renamed("000", "Jane Smythe"))).await;
        db.execute(Sql::both("UPDATE stripe_events SET state = 'failed'"), &[]).await;
        db.advance(Duration::from_secs(1));
        db.stripe.put(&renamed("000", "Jane Miller"));
        enqueue(&db, &reconcile()).await;
        db.drain(&registry()).await;
        assert_eq!(db.count("sync_drift WHERE cause = 'no_event'").await, 1);
    }

    async fn of_very_many_some_are_noted_and_all_are_counted(db: TestDb) {
        let many = NOTED_MAX + 50;
        for number in 0..many {
            db.stripe.put(&customer(&format!("cus_{number}")));
        }
        enqueue(&db, &reconcile()).await;
        db.drain(&registry()).await;
        assert_eq!((db.count("sync_drift").await, latest(&db).await.drifted), (NOTED_MAX, many));
        assert_eq!(db.count("customers").await, many);
    }

    async fn what_was_found_is_forgotten_after_ninety_days(db: TestDb) {
        filled(&db, 1).await;
        for (name, kept, after) in [("Miller", 1, 89), ("Smythe", 2, 2), ("Jones", 2, 0)] {
            db.stripe.put(&renamed("000", name));
            enqueue(&db, &reconcile()).await;
            db.drain(&registry()).await;
            assert_eq!((db.count("sync_runs").await, db.count("sync_drift").await), (kept, kept), "{name}");
            db.advance(Duration::from_hours(after * 24));
        }
    }

    async fn types_without_a_list_are_asked_for_once_by_a_reconciliation_that_is_interrupted(db: TestDb) {
        filled(&db, 3).await;
        db.stripe.forget_calls();
        enqueue(&db, &reconcile()).await;
        db.stripe.fail_at(BEFORE_SUBSCRIPTIONS, away());
        assert_eq!(db.drain_allowing_failures(&registry()).await.retried, 1);
        // The looks have run by now, so that a second one would not fold into them.
        assert_eq!(db.count("jobs WHERE kind = 'sync.fetch_object'").await, 0);
        db.advance(Duration::from_mins(1));
        db.drain(&registry()).await;
        let looks = db.stripe.calls().into_iter().filter(|call| matches!(call, Call::Retrieve(..)));
        assert_eq!(looks.count(), 4, "three payment methods and the account");
    }

    async fn a_member_hears_of_the_last_reconciliation_while_the_next_one_runs(db: TestDb) {
        filled(&db, 1).await;
        enqueue(&db, &reconcile()).await;
        db.drain(&registry()).await;
        let ended = db.now();
        db.advance(Duration::from_hours(24));
        enqueue(&db, &reconcile()).await;
        db.stripe.fail_at(BEFORE_SUBSCRIPTIONS - 1, away());
        assert_eq!(db.drain_allowing_failures(&registry()).await.retried, 1);
        let member: Vec<(String,)> = db.rows(Sql::both("SELECT id FROM members"), &[]).await;
        let known = standing(&db.env, "default", &member[0].0).await.unwrap();
        assert_eq!(known.standing.reconciled_at, Some(ended));
    }
}
