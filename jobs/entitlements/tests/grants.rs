//! Grants: given once for a reference, taken back, ended by the clock, and never touched by what Stripe says.

use std::time::Duration;

use super::{
    clock::{events, member, tick, told},
    subscription,
};
use crate::{
    both,
    entitlements::{
        ProductFacts, SubscriptionFacts,
        grants::{Granted, NewGrant, NotGranted, grant, revoke},
        model::Source,
        store::{of_members, upsert_tier},
    },
    kernel::Timestamp,
    testing::TestDb,
};

async fn know(db: &TestDb, id: &str) {
    let product = ProductFacts {
        id: id.to_owned(),
        name: id.to_owned(),
        description: None,
        active: true,
        is_default: false,
        benefits: Vec::new(),
    };
    let mut tx = db.db.begin().await.unwrap();
    upsert_tier(&mut tx, db, "default", &product).await.unwrap();
    tx.commit().await.unwrap();
}

fn lifetime(reference: &str) -> NewGrant {
    NewGrant {
        product_id: "prod_a".to_owned(),
        source: Source::Complimentary,
        external_reference: Some(reference.to_owned()),
        subscription_id: None,
        from_member_id: None,
        note: Some("a bundle bought elsewhere".to_owned()),
        starts_at: None,
        ends_at: None,
    }
}

async fn give(db: &TestDb, member: &str, new: &NewGrant) -> Result<Granted, NotGranted> {
    let mut tx = db.db.begin().await.unwrap();
    let granted = grant(&mut tx, db, "default", member, "key_1", new).await.unwrap();
    tx.commit().await.unwrap();
    granted
}

async fn given(db: &TestDb, member: &str, new: &NewGrant) -> String {
    match give(db, member, new).await {
        Ok(Granted::New(row)) => row.id,
        other => panic!("{other:?}"),
    }
}

async fn take_back(db: &TestDb, member: &str, id: &str) -> Option<Timestamp> {
    let mut tx = db.db.begin().await.unwrap();
    let row = revoke(&mut tx, db, "default", member, id, "key_2").await.unwrap();
    tx.commit().await.unwrap();
    row.map(|row| row.revoked_at.unwrap())
}

async fn may(db: &TestDb, member: &str) -> bool {
    let rows = of_members(&db.db, "default", &[member.to_owned()]).await.unwrap();
    rows.iter().any(|row| row.is_active(db.now()))
}

both! {
    async fn a_grant_is_given_once_for_its_reference(db: TestDb) {
        know(&db, "prod_a").await;
        let (one, two) = (member(&db).await, member(&db).await);
        let id = given(&db, &one, &lifetime("order-1")).await;
        db.advance(Duration::from_hours(1));
        let mut again = lifetime("order-1");
        again.note = None;
        assert!(matches!(give(&db, &one, &again).await, Ok(Granted::Known(row)) if row.id == id));
        again.ends_at = Some(db.now().plus(Duration::from_hours(1)));
        assert_eq!(give(&db, &one, &again).await, Err(NotGranted::ReferenceTaken(id.clone())));
        assert_eq!(give(&db, &two, &lifetime("order-1")).await, Err(NotGranted::ReferenceTaken(id)));
        assert_eq!((db.count("grants").await, db.count("entitlements").await), (1, 1));
        assert!(may(&db, &one).await && !may(&db, &two).await);
        assert_eq!(events(&db).await, ["access_granted", "access_changed"]);
    }

    async fn what_stripe_says_never_touches_a_grant(db: TestDb) {
        know(&db, "prod_a").await;
        let member = member(&db).await;
        given(&db, &member, &lifetime("order-1")).await;
        for status in ["active", "canceled"] {
            told(&db, &member, &[subscription(status)]).await;
            assert!(may(&db, &member).await);
        }
        told(&db, &member, &[]).await;
        assert!(may(&db, &member).await);
        assert_eq!(db.count("entitlements").await, 1);
    }

    async fn a_grant_that_is_taken_back_ends_at_once_and_stays_so(db: TestDb) {
        know(&db, "prod_a").await;
        let member = member(&db).await;
        let id = given(&db, &member, &lifetime("order-1")).await;
        db.advance(Duration::from_hours(1));
        let at = db.now();
        for _ in 0..2 {
            assert_eq!(take_back(&db, &member, &id).await, Some(at));
            assert!(!may(&db, &member).await);
            db.advance(Duration::from_hours(1));
        }
        assert_eq!(take_back(&db, &member, "gra_none").await, None);
        // A repetition of the first request does not give it anew.
        assert!(matches!(give(&db, &member, &lifetime("order-1")).await, Ok(Granted::Known(_))));
        assert!(!may(&db, &member).await);
        assert_eq!(events(&db).await, ["access_granted", "access_changed", "access_revoked", "access_changed"]);
    }

    async fn a_grant_begins_and_ends_by_the_clock(db: TestDb) {
        know(&db, "prod_a").await;
        let member = member(&db).await;
        let mut new = lifetime("gift-1");
        new.source = Source::Gift;
        new.starts_at = Some(db.now().plus(Duration::from_hours(1)));
        new.ends_at = Some(db.now().plus(Duration::from_hours(2)));
        given(&db, &member, &new).await;
        for (expected, told) in [(false, 1), (true, 2), (false, 3)] {
            tick(&db).await;
            assert_eq!(may(&db, &member).await, expected);
            assert_eq!(events(&db).await.len(), told);
            db.advance(Duration::from_hours(1));
        }
        assert_eq!(db.count("members WHERE status = 'none'").await, 1, "nobody paid");
    }

    async fn an_extension_prolongs_what_is_over_and_nothing_else(db: TestDb) {
        know(&db, "prod_a").await;
        let member = member(&db).await;
        told(&db, &member, &[subscription("active")]).await;
        let mut new = lifetime("ext-1");
        (new.source, new.subscription_id) = (Source::Extension, Some("sub_1".to_owned()));
        new.ends_at = Some(db.now().plus(Duration::from_hours(24)));
        assert_eq!(give(&db, &member, &new).await, Err(NotGranted::NotOver("sub_1".to_owned())));
        told(&db, &member, &[subscription("canceled")]).await;
        assert!(!may(&db, &member).await);
        given(&db, &member, &new).await;
        assert!(may(&db, &member).await);
        assert_eq!(db.count("members WHERE status = 'churned'").await, 1);
        new.external_reference = Some("ext-2".to_owned());
        new.subscription_id = Some("sub_2".to_owned());
        assert_eq!(give(&db, &member, &new).await, Err(NotGranted::NotHerSubscription("sub_2".to_owned())));
        new.source = Source::Gift;
        assert_eq!(give(&db, &member, &new).await, Err(NotGranted::NotAnExtension("sub_2".to_owned())));
        (new.source, new.subscription_id) = (Source::Extension, None);
        assert_eq!(give(&db, &member, &new).await, Err(NotGranted::SubscriptionMissing));
    }

    async fn what_goes_on_or_never_was_cannot_be_prolonged(db: TestDb) {
        know(&db, "prod_a").await;
        let member = member(&db).await;
        let now = db.now();
        let day = Duration::from_hours(24);
        let paused = |resumes_at| SubscriptionFacts {
            pause_behavior: Some("void".to_owned()),
            pause_resumes_at: resumes_at,
            ..subscription("active")
        };
        let canceling = SubscriptionFacts { cancel_at: Some(now.plus(day)), ..subscription("active") };
        let over = NotGranted::NotOver("sub_1".to_owned());
        let never = NotGranted::NotHerSubscription("sub_1".to_owned());
        for (facts, starts_at, expected) in [
            (subscription("active"), now.minus(day * 400), Some(&over)),
            (paused(Some(now.plus(day))), now, Some(&over)),
            (paused(None), now, Some(&over)),
            (subscription("incomplete_expired"), now, Some(&never)),
            (canceling.clone(), now, Some(&over)),
            (canceling, now.plus(day), None),
        ] {
            told(&db, &member, &[facts]).await;
            let mut new = lifetime("ext-1");
            (new.source, new.subscription_id) = (Source::Extension, Some("sub_1".to_owned()));
            new.starts_at = Some(starts_at);
            assert_eq!(give(&db, &member, &new).await.err().as_ref(), expected);
        }
    }

    async fn a_gift_may_name_the_other_member_who_gave_it(db: TestDb) {
        know(&db, "prod_a").await;
        let (one, two) = (member(&db).await, member(&db).await);
        let mut new = lifetime("gift-1");
        new.from_member_id = Some(two.clone());
        assert_eq!(give(&db, &one, &new).await, Err(NotGranted::NotAGift(two.clone())), "it is no gift");
        new.source = Source::Gift;
        assert_eq!(give(&db, &two, &new).await, Err(NotGranted::NoGiver(two.clone())), "she gave it to herself");
        assert!(matches!(give(&db, &one, &new).await, Ok(Granted::New(row)) if row.from_member_id == Some(two)));
        new.external_reference = Some("gift-2".to_owned());
        new.from_member_id = Some("mem_none".to_owned());
        assert_eq!(give(&db, &one, &new).await, Err(NotGranted::NoGiver("mem_none".to_owned())));
    }

    async fn what_makes_no_sense_is_refused(db: TestDb) {
        know(&db, "prod_a").await;
        let member = member(&db).await;
        let mut new = lifetime("order-1");
        new.ends_at = Some(db.now());
        let no_time = NotGranted::EndsBeforeItBegins { starts_at: db.now(), ends_at: db.now() };
        assert_eq!(give(&db, &member, &new).await, Err(no_time));
        assert_eq!(give(&db, "mem_none", &lifetime("order-2")).await, Err(NotGranted::NoMember));
        let mut new = lifetime("order-3");
        new.product_id = "prod_typo".to_owned();
        assert_eq!(give(&db, &member, &new).await, Err(NotGranted::NoProduct("prod_typo".to_owned())));
        assert_eq!(db.count("grants").await, 0);
    }
}
