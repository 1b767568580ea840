//! What is learnt of an object while Stripe is asked about it.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{customer, event, invoice, old_event, product, receive, registry, subscription};
use crate::{
    both,
    kernel::{
        Env,
        db::{Sql, Tx},
        outbox::{self, NewJob},
        ports::{Done, Fetched, Later, Listing, ObjectType, Operation, Page, Stripe, StripeError},
    },
    members,
    sync::{
        FetchObject, FindCustomers, apply::{self, Unknown, Write}, batch::{self, Batch}, receive as receive_event,
        store::{events, objects::Truth},
    },
    testing::{FakeStripe, TestDb},
};

/// A Stripe that has made up its answer before an event is received and applied, but gives it afterwards.
#[derive(Debug)]
struct Meanwhile {
    stripe: Arc<FakeStripe>,
    env: Env,
    event: Value,
}

impl Stripe for Meanwhile {
    fn api_version(&self) -> &str {
        self.stripe.api_version()
    }

    fn retrieve<'a>(
        &'a self,
        organization: &'a str,
        kind: ObjectType,
        id: &'a str,
    ) -> Later<'a, Result<Fetched, StripeError>> {
        Box::pin(async move {
            let answer = self.stripe.retrieve(organization, kind, id).await;
            receive_event(&self.env, organization, &self.event.to_string()).await.unwrap();
            let unread = events::unread(&self.env.db, organization, 10, 1_000_000).await.unwrap();
            let batch = Batch::read(&self.env, &unread);
            batch::apply(&self.env, organization, &batch).await.unwrap();
            answer
        })
    }

    fn list<'a>(
        &'a self,
        organization: &'a str,
        listing: Listing,
        after: Option<&'a str>,
    ) -> Later<'a, Result<Page, StripeError>> {
        self.stripe.list(organization, listing, after)
    }

    fn perform<'a>(
        &'a self,
        organization: &'a str,
        operation: &'a Operation,
    ) -> Later<'a, Result<Done, StripeError>> {
        self.stripe.perform(organization, operation)
    }
}

fn named(name: &str) -> Value {
    let mut object = customer("cus_1");
    object["name"] = json!(name);
    object
}

/// Writes objects that were not here, as a walk does.
async fn write(tx: &mut Tx, env: &Env, objects: &[&Value], unknown: Unknown) {
    let read = |value: &&Value| {
        let kind = ObjectType::parse(value["object"].as_str().unwrap()).unwrap();
        (kind, value["id"].as_str().unwrap().to_owned(), value.to_string())
    };
    let texts: Vec<_> = objects.iter().map(read).collect();
    let mut writes = Vec::new();
    for ((kind, id, raw), value) in texts.iter().zip(objects) {
        let truth = Truth { kind: *kind, id, raw, as_of: env.now(), until: env.now(), deleted: false, api_version: None };
        writes.push(Write { truth, value, before: None, afresh: false });
    }
    assert!(apply::write(tx, env, "default", &writes, unknown).await.unwrap().is_empty());
}

fn fetch(id: &str) -> NewJob {
    let job = FetchObject::of(ObjectType::Customer, id);
    NewJob::of("default", &job).unwrap()
}

/// On SQLite there is one transaction at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_and_her_subscription_that_are_written_at_once_find_each_other() {
    let db = TestDb::postgres().await;
    let (jane, sub) = (customer("cus_1"), subscription("sub_1", "cus_1", "prod_a", "active"));
    for object in [&product("prod_a", false), &jane, &sub] {
        db.stripe.put(object);
    }
    let (mut one, mut other) = (db.db.begin().await.unwrap(), db.db.begin().await.unwrap());
    write(&mut one, &db, &[&jane], Unknown::Fetch).await;
    write(&mut other, &db, &[&sub], Unknown::Fetch).await;
    one.commit().await.unwrap();
    other.commit().await.unwrap();
    db.drain(&registry()).await;
    assert_eq!(db.count("members WHERE status = 'active'").await, 1);
}

/// The same where a walk brings both: neither sees the other, and nobody asks Stripe.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_whom_a_walk_brings_at_the_same_time_is_found_without_asking() {
    let db = TestDb::postgres().await;
    let (jane, sub) = (customer("cus_1"), subscription("sub_1", "cus_1", "prod_a", "active"));
    let (mut one, mut other) = (db.db.begin().await.unwrap(), db.db.begin().await.unwrap());
    write(&mut one, &db, &[&jane], Unknown::Await).await;
    write(&mut other, &db, &[&sub], Unknown::Await).await;
    one.commit().await.unwrap();
    other.commit().await.unwrap();
    assert_eq!(db.count("members WHERE status = 'active'").await, 0);
    db.enqueue(NewJob::of("default", &FindCustomers {}).unwrap()).await;
    db.drain(&registry()).await;
    assert_eq!(db.count("members WHERE status = 'active'").await, 1);
    assert_eq!(db.stripe.calls(), []);
}

/// Whichever of the two comes first waits for nobody; the other sees what it has left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_subscription_and_its_open_invoice_that_are_written_at_once_find_each_other() {
    let db = TestDb::postgres().await;
    for number in 0..20 {
        let id = format!("cus_{number}");
        let (mut late, mut open) = (
            subscription(&format!("sub_{number}"), &id, "prod_a", "past_due"),
            invoice(&format!("in_{number}"), &id, &format!("sub_{number}"), "open"),
        );
        late["items"]["data"][0]["current_period_start"] = json!(1_762_600_000);
        open["amount_remaining"] = json!(999);
        let mut tx = db.db.begin().await.unwrap();
        write(&mut tx, &db, &[&customer(&id)], Unknown::Fetch).await;
        tx.commit().await.unwrap();
        let told = async |object: Value| {
            let mut tx = db.db.begin().await.unwrap();
            write(&mut tx, &db, &[&object], Unknown::Fetch).await;
            tx.commit().await.unwrap();
        };
        tokio::join!(told(late), told(open));
    }
    // A week after the invoice was made, and not after the period began.
    let ends = (1_760_000_100 + 7 * 24 * 3_600) * 1_000_i64;
    assert_eq!(db.count(&format!("entitlements WHERE ended_at = {ends}")).await, 20);
}

/// A fetch that waits is locked until the commit by whoever sends for it once more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_member_holds_no_job_that_her_holder_wants() {
    let db = TestDb::postgres().await;
    receive(&db, &event("evt_1", "customer.created", &customer("cus_1"))).await;
    db.drain(&registry()).await;
    db.enqueue(fetch("cus_2")).await;
    let member: Vec<(String,)> = db.rows(Sql::both("SELECT id FROM members"), &[]).await;
    let mut holder = db.db.begin().await.unwrap();
    members::store::lock_many(&mut holder, "default", &[&member[0].0]).await.unwrap();
    let waiting = async {
        let mut tx = db.db.begin().await.unwrap();
        let of = |customer: &str| subscription(&format!("sub_of_{customer}"), customer, "prod_a", "active");
        write(&mut tx, &db, &[&of("cus_1"), &of("cus_2")], Unknown::Fetch).await;
        tx.commit().await.unwrap();
    };
    let holding = async {
        db.until_one_waits().await;
        outbox::enqueue(&mut holder, &db, fetch("cus_2")).await.unwrap();
        holder.commit().await.unwrap();
    };
    tokio::join!(waiting, holding);
    assert_eq!(db.count("subscriptions").await, 2);
}

both! {
    async fn an_event_that_comes_while_stripe_is_asked_is_not_overwritten_by_the_older_answer(db: TestDb) {
        let mut db = db;
        db.stripe.put(&named("Old"));
        receive(&db, &old_event("evt_1", "customer.created", &named("Old"))).await;
        // The change is of the second in which Stripe was asked, so that the clocks cannot tell.
        let mut newer = event("evt_2", "customer.updated", &named("New"));
        newer["created"] = json!(db.now().seconds());
        let env = db.env.clone();
        let stripe = Arc::clone(&db.stripe);
        db.env.stripe = Arc::new(Meanwhile { stripe, env, event: newer });
        let drained = db.drain(&registry()).await;
        assert_eq!(drained.snoozed, 1, "{drained:?}");
        assert_eq!(db.count("customers WHERE name = 'New'").await, 1);
        // Asked again when the second is over, Stripe tells the same.
        db.env.stripe = Arc::clone(&db.stripe) as Arc<dyn Stripe>;
        db.stripe.put(&named("New"));
        db.advance(Duration::from_secs(2));
        db.drain(&registry()).await;
        assert_eq!(db.count("customers WHERE name = 'New'").await, 1);
        assert_eq!(db.count("stripe_events WHERE state = 'applied'").await, 2);
    }

    async fn an_event_of_the_seconds_of_an_answer_is_not_taken_for_newer(db: TestDb) {
        db.stripe.set_slow(Duration::from_secs(2));
        db.stripe.put(&named("New"));
        db.enqueue(fetch("cus_1")).await;
        db.drain(&registry()).await;
        // Both were made before the answer was, after the question was asked.
        for (at, word) in [(1, "created"), (0, "updated")] {
            let mut older = event(&format!("evt_{at}"), &format!("customer.{word}"), &named("Old"));
            older["created"] = json!(db.now().seconds() - at);
            older["data"]["previous_attributes"] = json!({ "name": "Older" });
            receive(&db, &older).await;
            db.drain(&registry()).await;
            assert_eq!(db.count("customers WHERE name = 'New'").await, 1, "{word}");
        }
        db.stripe.forget_calls();
        db.advance(Duration::from_secs(2));
        db.drain(&registry()).await;
        assert_eq!(db.count("stripe_events WHERE state = 'applied'").await, 2);
        assert_eq!((db.stripe.calls().len(), db.count("customers WHERE name = 'New'").await), (1, 1));
    }

    async fn an_object_that_was_just_announced_may_be_unknown_for_a_while(db: TestDb) {
        let mut fresh = old_event("evt_1", "customer.created", &customer("cus_1"));
        fresh["created"] = json!(db.now().seconds());
        receive(&db, &fresh).await;
        let drained = db.drain_allowing_failures(&registry()).await;
        assert_eq!((drained.retried, db.count("stripe_objects").await), (1, 0), "{drained:?}");
        db.stripe.put(&customer("cus_1"));
        db.advance(Duration::from_secs(10));
        db.drain(&registry()).await;
        assert_eq!(db.count("customers WHERE NOT deleted").await, 1);
    }

    async fn an_object_that_was_just_here_may_be_unknown_for_a_while(db: TestDb) {
        let mut fresh = event("evt_1", "customer.created", &customer("cus_1"));
        fresh["created"] = json!(db.now().seconds());
        receive(&db, &fresh).await;
        db.drain(&registry()).await;
        db.enqueue(fetch("cus_1")).await;
        let drained = db.drain_allowing_failures(&registry()).await;
        assert_eq!((drained.retried, db.count("customers WHERE NOT deleted").await), (1, 1), "{drained:?}");
        // Still unknown after a minute, it is gone.
        db.advance(Duration::from_mins(2));
        db.drain(&registry()).await;
        assert_eq!(db.count("customers WHERE deleted").await, 1);
    }

    async fn an_object_that_was_said_to_be_deleted_is_not_waited_for(db: TestDb) {
        db.stripe.put(&customer("cus_1"));
        receive(&db, &old_event("evt_1", "customer.created", &customer("cus_1"))).await;
        db.drain(&registry()).await;
        db.stripe.remove(ObjectType::Customer, "cus_1");
        let mut gone = old_event("evt_2", "customer.deleted", &customer("cus_1"));
        gone["created"] = json!(db.now().seconds());
        receive(&db, &gone).await;
        db.drain(&registry()).await;
        assert_eq!(db.count("customers WHERE deleted").await, 1);
    }
}
