//! An organization whose key Stripe refuses.

use std::time::Duration;

use serde_json::json;

use super::{customer, event, registry};
use crate::{
    both,
    kernel::{
        outbox::NewJob,
        ports::{ObjectType, Organization, StripeError},
    },
    sync::{BackfillObjects, FetchObject, PollEvents, store::parked},
    testing::TestDb,
};

fn refused(status: u16, code: &str) -> StripeError {
    StripeError::Refused {
        status,
        code: code.to_owned(),
        message: "no".to_owned(),
        request_id: "req_1".to_owned(),
    }
}

async fn poll(db: &TestDb) {
    db.enqueue(NewJob::of("default", &PollEvents::default()).unwrap()).await;
}

/// With an organization `another`, which is asked first.
fn two(db: TestDb) -> TestDb {
    db.with_settings(|settings| {
        let other = Organization { has_stripe: true, ..Organization::default() };
        settings.organizations.insert("another".to_owned(), other);
    })
}

both! {
    async fn an_organization_whose_key_was_revoked_waits_and_the_others_go_on(db: TestDb) {
        let db = two(db);
        let mut lost = event("evt_lost", "customer.created", &customer("cus_1"));
        lost["created"] = json!(db.env.now().seconds());
        db.stripe.put(&customer("cus_1"));
        db.stripe.put_event(&lost);
        poll(&db).await;
        db.stripe.fail_next(refused(401, "api_key_expired"));
        assert_eq!(db.drain(&registry()).await.discarded, 0);
        assert_eq!(db.count("stripe_events WHERE state = 'applied'").await, 1);
        let parked = parked::get(&db.db, "another").await.unwrap().unwrap();
        assert!(parked.reason.contains("api_key_expired"), "{parked:?}");
        assert_eq!(parked.since, db.now());
        assert_eq!(parked::get(&db.db, "default").await.unwrap(), None);
        // Work of the parked one waits without spending its attempts.
        let fetch = FetchObject::of(ObjectType::Customer, "cus_9");
        db.enqueue(NewJob::of("another", &fetch).unwrap()).await;
        let walk = BackfillObjects { object_type: Some("customer".to_owned()) };
        db.enqueue(NewJob::of("another", &walk).unwrap()).await;
        for _ in 0..20 {
            db.stripe.fail_next(refused(401, "api_key_expired"));
            db.stripe.fail_next(refused(403, "account_invalid"));
            assert_eq!(db.drain(&registry()).await.snoozed, 2);
            db.advance(Duration::from_mins(5));
        }
        let since = parked::get(&db.db, "another").await.unwrap().unwrap().since;
        assert_eq!(since, parked.since, "it is parked since the first refusal");
        // The key works again.
        poll(&db).await;
        let drained = db.drain(&registry()).await;
        assert_eq!((drained.completed, drained.snoozed), (3, 0), "{drained:?}");
        assert_eq!(parked::get(&db.db, "another").await.unwrap(), None);
    }

    async fn any_answer_shows_that_the_key_works_again(db: TestDb) {
        db.stripe.put(&customer("cus_1"));
        let fetch = FetchObject::of(ObjectType::Customer, "cus_1");
        let walk = BackfillObjects { object_type: Some("customer".to_owned()) };
        for job in [NewJob::of("default", &fetch).unwrap(), NewJob::of("default", &walk).unwrap()] {
            db.stripe.fail_next(refused(401, "api_key_expired"));
            db.enqueue(job).await;
            assert_eq!(db.drain(&registry()).await.snoozed, 1);
            assert!(parked::get(&db.db, "default").await.unwrap().is_some());
            db.advance(Duration::from_mins(5));
            assert_eq!(db.drain(&registry()).await.completed, 1);
            assert_eq!(parked::get(&db.db, "default").await.unwrap(), None);
        }
    }

    async fn a_poll_of_a_parked_organization_that_must_wait_is_not_left_out(db: TestDb) {
        poll(&db).await;
        db.stripe.fail_next(refused(401, "api_key_expired"));
        assert_eq!(db.drain(&registry()).await.completed, 1);
        poll(&db).await;
        db.stripe.fail_next(StripeError::RateLimited(Duration::from_secs(1)));
        assert_eq!(db.drain(&registry()).await.snoozed, 1);
    }

    async fn a_key_that_lacks_a_right_parks_nobody(db: TestDb) {
        db.enqueue(NewJob::of("default", &FetchObject::of(ObjectType::Customer, "cus_9")).unwrap()).await;
        db.stripe.fail_next(refused(403, "more_permissions_required"));
        assert_eq!(db.drain_allowing_failures(&registry()).await.discarded, 1);
        assert_eq!(parked::get(&db.db, "default").await.unwrap(), None);
    }

    async fn another_trouble_of_one_organization_holds_up_no_other(db: TestDb) {
        let db = two(db);
        let mut lost = event("evt_lost", "customer.created", &customer("cus_1"));
        lost["created"] = json!(db.env.now().seconds());
        db.stripe.put(&customer("cus_1"));
        db.stripe.put_event(&lost);
        poll(&db).await;
        db.stripe.fail_next(refused(403, "more_permissions_required"));
        assert_eq!(db.drain_allowing_failures(&registry()).await.discarded, 1);
        assert_eq!(db.count("stripe_events WHERE state = 'applied'").await, 1);
    }
}
