//! Whose a customer is: the rule, what does not agree with it, and what people should look at.

use std::time::Duration;

use serde_json::json;

use super::{customer, event, invoice, product, receive, registry, subscription};
use crate::{
    args, both,
    kernel::{Env, db::Sql, outbox::NewJob},
    members::{
        NewMember,
        store::{insert_many, resolve},
    },
    sync::{
        ReviewLinks, SyncState, standing,
        store::{
            conflicts,
            flags::{FlagKind, flags},
        },
    },
    testing::TestDb,
};

async fn announce(db: &TestDb, id: &str, object: &serde_json::Value) {
    db.stripe.put(object);
    let mut event = event(id, "any.change", object);
    event["created"] = json!(db.now().seconds());
    receive(db, &event).await;
    db.drain(&registry()).await;
    db.advance(Duration::from_secs(1));
}

async fn member(db: &TestDb, organization: &str, email: Option<&str>) -> String {
    let new = NewMember {
        organization_id: organization.to_owned(),
        email: email.map(str::to_owned),
        name: None,
        joined_at: db.now(),
    };
    let mut tx = db.db.begin().await.unwrap();
    let id = db.id("mem");
    insert_many(&mut tx, db, &[(id.clone(), new)]).await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn linked(env: &Env, customer: &str) -> String {
    resolve(&env.db, "default", &format!("ext:stripe:{customer}")).await.unwrap().unwrap()
}

/// Customer, kind and whom the other source names.
async fn open(db: &TestDb) -> Vec<(String, String, String)> {
    let rows = conflicts::list(&db.db, "default", None, 10).await.unwrap();
    let mut rows: Vec<_> =
        rows.into_iter().map(|row| (row.customer_id, row.kind, row.claimed)).collect();
    rows.sort();
    rows
}

fn of(customer: &str, kind: &str, claimed: &str) -> (String, String, String) {
    (customer.to_owned(), kind.to_owned(), claimed.to_owned())
}

const OTHER: Sql = Sql::both(
    "INSERT INTO organizations (id, name, created_at) VALUES ('other', 'Other', 0) ON CONFLICT (id) DO NOTHING",
);

both! {
    async fn metadata_that_names_nobody_or_another_organizations_member_links_nobody(db: TestDb) {
        db.execute(OTHER, &[]).await;
        let theirs = member(&db, "other", None).await;
        let mut one = customer("cus_1");
        one["metadata"] = json!({ "memberd_member_id": "mem_typo" });
        announce(&db, "evt_1", &one).await;
        let mut two = customer("cus_2");
        two["metadata"] = json!({ "memberd_member_id": theirs });
        announce(&db, "evt_2", &two).await;
        assert_eq!(
            open(&db).await,
            [of("cus_1", "metadata_unknown", "mem_typo"), of("cus_2", "metadata_foreign", &theirs)]
        );
        let hers = linked(&db, "cus_2").await;
        assert_ne!(hers, theirs);
        assert_eq!(standing(&db, "default", &hers).await.unwrap().state, SyncState::Foreign);
        assert_eq!(conflicts::count(&db.db, "default").await.unwrap(), 2);
        // Corrected at Stripe, it is over.
        two["metadata"] = json!({ "memberd_member_id": hers });
        announce(&db, "evt_3", &two).await;
        assert_eq!(open(&db).await, [of("cus_1", "metadata_unknown", "mem_typo")]);
        assert_eq!(standing(&db, "default", &hers).await.unwrap().state, SyncState::InSync);
    }

    async fn a_customer_that_is_linked_is_never_moved(db: TestDb) {
        announce(&db, "evt_1", &customer("cus_1")).await;
        let first = linked(&db, "cus_1").await;
        let second = member(&db, "default", None).await;
        let mut moved = customer("cus_1");
        moved["metadata"] = json!({ "memberd_member_id": second });
        announce(&db, "evt_2", &moved).await;
        assert_eq!(linked(&db, "cus_1").await, first);
        assert_eq!(open(&db).await, [of("cus_1", "metadata_differs", &second)]);
    }

    async fn an_address_that_is_anothers_is_told_and_not_merged(db: TestDb) {
        let holder = member(&db, "default", Some("CUS_1@example.com")).await;
        announce(&db, "evt_1", &customer("cus_1")).await;
        assert_ne!(linked(&db, "cus_1").await, holder);
        assert_eq!(open(&db).await, [of("cus_1", "email_taken", &holder)]);
        let mut elsewhere = customer("cus_1");
        elsewhere["email"] = json!("new@example.com");
        announce(&db, "evt_2", &elsewhere).await;
        assert_eq!(open(&db).await, []);
        // Seen again, it is as new.
        announce(&db, "evt_3", &customer("cus_1")).await;
        assert_eq!(db.count("link_conflicts WHERE first_seen_at = last_seen_at").await, 1);
    }

    async fn a_change_of_the_members_here_is_seen_by_the_review(db: TestDb) {
        let holder = member(&db, "default", Some("cus_1@example.com")).await;
        member(&db, "default", Some("cus_2@example.com")).await;
        for number in 1..=3 {
            announce(&db, &format!("evt_{number}"), &customer(&format!("cus_{number}"))).await;
        }
        let review = || NewJob::of("default", &ReviewLinks {}).unwrap();
        db.enqueue(review()).await;
        db.drain(&registry()).await;
        assert_eq!(open(&db).await.len(), 2);
        db.execute(Sql::both("UPDATE members SET email = NULL, email_normalized = NULL WHERE id = $1"), args![holder]).await;
        db.stripe.put(&json!({ "id": "cus_2", "object": "customer", "deleted": true }));
        let mut gone = event("evt_gone", "customer.deleted", &customer("cus_2"));
        gone["created"] = json!(db.now().seconds());
        receive(&db, &gone).await;
        db.drain(&registry()).await;
        db.enqueue(review()).await;
        db.drain(&registry()).await;
        assert_eq!(open(&db).await, []);
    }

    async fn what_people_should_look_at_is_flagged(db: TestDb) {
        announce(&db, "evt_p", &product("prod_a", false)).await;
        for number in 1..=4 {
            announce(&db, &format!("evt_c{number}"), &customer(&format!("cus_{number}"))).await;
        }
        // Two at once; the second of a product that nobody knows.
        announce(&db, "evt_1", &subscription("sub_1", "cus_1", "prod_a", "active")).await;
        announce(&db, "evt_2", &subscription("sub_2", "cus_1", "prod_x", "trialing")).await;
        // Paid for, and collection is paused since.
        let in_a_month = db.now().seconds() + 30 * 24 * 3600;
        let mut paid = subscription("sub_3", "cus_2", "prod_a", "active");
        paid["latest_invoice"] = json!("in_3");
        paid["items"]["data"][0]["current_period_end"] = json!(in_a_month);
        paid["pause_collection"] = json!({ "behavior": "void" });
        announce(&db, "evt_3", &paid).await;
        announce(&db, "evt_i3", &invoice("in_3", "cus_2", "sub_3", "paid")).await;
        // Not paid for, and Stripe still says active.
        let mut unpaid = subscription("sub_4", "cus_3", "prod_a", "active");
        unpaid["latest_invoice"] = json!("in_4");
        announce(&db, "evt_4", &unpaid).await;
        let mut open = invoice("in_4", "cus_3", "sub_4", "open");
        open["amount_remaining"] = json!(999);
        announce(&db, "evt_i4", &open).await;
        for (kind, expected) in [
            (FlagKind::SeveralSubscriptions, vec![("sub_2", None), ("sub_1", None)]),
            (FlagKind::PaidWithoutAccess, vec![("sub_3", Some("in_3"))]),
            (FlagKind::AccessWithoutPayment, vec![("sub_4", Some("in_4"))]),
            (FlagKind::ForeignProduct, vec![("sub_2", Some("prod_x"))]),
        ] {
            let found = flags(&db.db, "default", kind, db.now(), None, 10).await.unwrap();
            let found: Vec<_> =
                found.iter().map(|flag| (flag.subscription_id.as_str(), flag.about.as_deref())).collect();
            assert_eq!(found, expected, "{kind:?}");
            assert!(flags(&db.db, "other", kind, db.now(), None, 10).await.unwrap().is_empty());
        }
        let rest = flags(&db.db, "default", FlagKind::SeveralSubscriptions, db.now(), Some("sub_2"), 10).await;
        assert_eq!(rest.unwrap().len(), 1);
    }
}
