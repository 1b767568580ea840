//! What people read, on both databases.

use serde_json::json;

use super::{customer, event, invoice, product, receive, registry, subscription};
use crate::{
    both,
    entitlements::store as entitlements,
    kernel::{Timestamp, db::Sql, outbox::NewJob, ports::ObjectType},
    creators,
    members::{Whose, store::{self as members, Filter, TierFilter}},
    sync::{FetchObject, SyncState, standing, store::{events, read::{self, EventFilter}}},
    testing::TestDb,
};

/// Three customers; the first two subscribe to `prod_a`, the second of them in vain.
async fn fill(db: &TestDb) {
    let mut objects = vec![product("prod_a", false), product("prod_free", true)];
    for (number, status) in [(1, "active"), (2, "incomplete"), (3, "")] {
        let (id, sub) = (format!("cus_{number}"), format!("sub_{number}"));
        objects.push(customer(&id));
        if !status.is_empty() {
            objects.push(subscription(&sub, &id, "prod_a", status));
            objects.push(invoice(&format!("in_{number}"), &id, &sub, "paid"));
        }
    }
    for (number, object) in objects.iter().enumerate() {
        db.stripe.put(object);
        receive(db, &event(&format!("evt_{number}"), "any.change", object)).await;
        db.drain(&registry()).await;
        db.advance(std::time::Duration::from_secs(1));
    }
}

async fn listed(db: &TestDb, filter: Filter<'_>) -> Vec<String> {
    let rows = members::list(&db.env.db, "default", &filter, None, 10)
        .await
        .unwrap();
    rows.into_iter()
        .map(|row| row.email.unwrap_or_default())
        .collect()
}

/// SQLite believes without statistics that an organization has ten rows, and would read all of them.
#[tokio::test]
async fn what_is_named_is_looked_up_and_not_searched_for() {
    let db = TestDb::sqlite().await;
    for (sql, index) in [
        (
            Sql::both(
                "EXPLAIN QUERY PLAN SELECT id FROM customers
                 WHERE organization_id = 'a' AND member_id IN (SELECT value FROM json_each('[]'))",
            ),
            "customers_member (member_id=?)",
        ),
        (
            Sql::both(
                "EXPLAIN QUERY PLAN SELECT id FROM subscriptions WHERE organization_id = 'a' AND NOT deleted
                 AND customer_id IN (SELECT value FROM json_each('[]')) ORDER BY id",
            ),
            "subscriptions_customer (organization_id=? AND customer_id=?)",
        ),
        (
            Sql::both(
                "EXPLAIN QUERY PLAN SELECT id FROM entitlements
                 WHERE organization_id = 'a' AND member_id IN (SELECT value FROM json_each('[]'))",
            ),
            "entitlements_organization (organization_id=? AND member_id=?)",
        ),
        (
            Sql::both(
                "EXPLAIN QUERY PLAN SELECT min(p.invoice_id || '') FROM invoice_payments AS p
                 WHERE p.organization_id = 'a' AND p.payment_intent_id = 'b'",
            ),
            "invoice_payments_intent (organization_id=? AND payment_intent_id=?)",
        ),
        (
            Sql::both(
                "EXPLAIN QUERY PLAN SELECT m.id FROM members AS m WHERE m.organization_id = 'a' AND m.creator_id = 'b'
                   AND (1 IS NULL OR m.id < 'c') AND m.deleted_at IS NULL ORDER BY m.id DESC LIMIT 9",
            ),
            "members_creator (organization_id=? AND creator_id=?)",
        ),
    ] {
        let plan: Vec<(i64, i64, i64, String)> = db.rows(sql, &[]).await;
        assert!(plan.iter().any(|step| step.3.contains(index)), "{plan:#?}");
    }
}

both! {
    async fn members_are_found_by_every_filter(db: TestDb) {
        fill(&db).await;
        let all = ["cus_3@example.com", "cus_2@example.com", "cus_1@example.com"];
        assert_eq!(listed(&db, Filter::default()).await, all);
        let email = Filter { email: Some("cus_2@example.com"), ..Filter::default() };
        assert_eq!(listed(&db, email).await, all[1..2]);
        let key = Filter { foreign_key: Some(("stripe", "cus_3")), ..Filter::default() };
        assert_eq!(listed(&db, key).await, all[..1]);
        let status = Filter { status: Some("active"), ..Filter::default() };
        assert_eq!(listed(&db, status).await, all[2..]);
        let paid = TierFilter { id: "prod_a", is_default: false };
        assert_eq!(listed(&db, Filter { tier: Some(paid), ..Filter::default() }).await, all[2..]);
        let free = TierFilter { id: "prod_free", is_default: true };
        assert_eq!(listed(&db, Filter { tier: Some(free), ..Filter::default() }).await, all[..2]);
        let late = Filter { joined_after: Some(Timestamp::from_seconds(1_760_000_001)), ..Filter::default() };
        assert!(listed(&db, late).await.is_empty());
        let first = members::list(&db.env.db, "default", &Filter::default(), None, 2).await.unwrap();
        let rest =
            members::list(&db.env.db, "default", &Filter::default(), Some(&first[1].id), 2).await.unwrap();
        assert_eq!((first.len(), rest.len()), (2, 1));
        assert!(members::list(&db.env.db, "other", &Filter::default(), None, 2).await.unwrap().is_empty());
    }

    async fn one_member_is_read_with_all_that_belongs_to_her(db: TestDb) {
        fill(&db).await;
        let env = &db.env;
        let id = members::resolve(&env.db, "default", "ext:stripe:cus_1").await.unwrap().unwrap();
        assert_eq!(members::resolve(&env.db, "other", "ext:stripe:cus_1").await.unwrap(), None);
        assert_eq!(members::get(&env.db, "other", &id).await.unwrap(), None);
        let member = members::get(&env.db, "default", &id).await.unwrap().unwrap();
        assert_eq!((member.status.as_str(), member.tier_id.as_deref()), ("active", Some("prod_a")));
        let ids = [id.clone()];
        let rows = entitlements::of_members(&env.db, "default", &ids).await.unwrap();
        let both = [ids[0].clone(), "mem_none".to_owned()];
        let around = entitlements::around(&env.db, "default", &both, true).await.unwrap();
        assert_eq!((around.len(), around[0].member_id.as_str(), around[0].keys[0].external_id.as_str()), (2, id.as_str(), "cus_1"));
        assert_eq!(around[0].entitlements, rows);
        assert_eq!((&around[1].keys[..], &around[1].tags[..], &around[1].entitlements[..]), (&[][..], &[][..], &[][..]));
        assert_eq!(entitlements::around(&env.db, "other", &ids, true).await.unwrap()[0].keys, []);
        assert_eq!(entitlements::around(&env.db, "default", &ids, false).await.unwrap()[0].entitlements, []);
        assert_eq!((rows.len(), rows[0].product_name.as_deref()), (1, Some("Tier prod_a")));
        assert!(rows[0].is_active(env.now()) && !rows[0].is_active(Timestamp(0)));
        let known = standing(env, "default", &id).await.unwrap();
        assert_eq!((known.state, known.conflicts.len()), (SyncState::InSync, 0));
        let known = known.standing;
        assert_eq!((known.pending_events(), known.failed_events(), known.customers[0].deleted), (0, 0, false));
        assert_eq!(known.last_event.as_ref().map(|event| event.state.as_str()), Some("applied"));
        assert!(known.as_of().is_some_and(|as_of| as_of <= env.now()));
        receive(&db, &event("evt_late", "any.change", &subscription("sub_1", "cus_1", "prod_a", "active"))).await;
        let late = standing(env, "default", &id).await.unwrap();
        assert_eq!(late.state, SyncState::Pending);
        let late = late.standing;
        assert_eq!((late.pending_events(), late.last_event.unwrap().id.as_str()), (1, "evt_late"));
        let mut tx = env.db.begin().await.unwrap();
        events::mark(&mut tx, "default", &["evt_late"], Some("refused"), env.now()).await.unwrap();
        tx.commit().await.unwrap();
        let failed = standing(env, "default", &id).await.unwrap();
        assert_eq!((failed.state, failed.standing.last_error()), (SyncState::Error, Some("refused")));
        // Once the mirror is newer than the event that failed, nothing is wrong.
        for expected in [SyncState::Error, SyncState::Drift] {
            let job = FetchObject::of(ObjectType::Subscription, "sub_1");
            db.enqueue(NewJob::of("default", &job).unwrap()).await;
            let known = standing(env, "default", &id).await.unwrap();
            assert_eq!(known.state, expected);
            assert_eq!(known.standing.drift, [("subscription".to_owned(), "sub_1".to_owned())]);
            db.drain(&registry()).await;
            assert_eq!(standing(env, "default", &id).await.unwrap().state, SyncState::InSync);
        }
    }

    async fn the_mirror_is_listed_newest_first_and_in_pages(db: TestDb) {
        fill(&db).await;
        let (env, org) = (&db.env, "default");
        let subs = read::subscriptions(&env.db, org, Whose::default(), None, None, 10).await.unwrap();
        assert_eq!(subs.iter().map(|sub| sub.id.as_str()).collect::<Vec<_>>(), ["sub_2", "sub_1"]);
        assert!(subs.iter().all(|sub| sub.member_id.is_some()));
        let before = Some((subs[0].created_at, subs[0].id.as_str()));
        let rest = read::subscriptions(&env.db, org, Whose::default(), None, before, 10).await.unwrap();
        assert_eq!(rest[0].id, "sub_1");
        let one = read::subscription(&env.db, org, "sub_2").await.unwrap();
        assert_eq!(one.map(|one| (one.id, one.status)), Some(("sub_2".to_owned(), "incomplete".to_owned())));
        assert_eq!(read::subscription(&env.db, "other", "sub_2").await.unwrap(), None);
        assert_eq!(read::items(&env.db, org, &["sub_1".to_owned()]).await.unwrap()[0].unit_amount, Some(999));
        let member = subs[1].member_id.as_deref();
        let invoices = read::invoices(&env.db, org, Whose { member, creator: None }, Some("paid"), Some("sub_1"), None, 10).await.unwrap();
        assert_eq!((invoices.len(), invoices[0].amount_paid), (1, 999));
        let filter = EventFilter { state: Some("applied"), object_id: Some("sub_1"), ..EventFilter::default() };
        let events = read::events(&env.db, org, &filter, None, 10).await.unwrap();
        assert_eq!((events.len(), events[0].kind.as_str()), (1, "any.change"));
        let all = read::events(&env.db, org, &EventFilter::default(), None, 3).await.unwrap();
        let next = Some((all[2].received_at, all[2].id.as_str()));
        assert_eq!(read::events(&env.db, org, &EventFilter::default(), next, 10).await.unwrap().len(), 6);
    }

    async fn tiers_are_edited_here(db: TestDb) {
        fill(&db).await;
        let (env, org) = (&db.env, "default");
        assert_eq!(entitlements::default_tier(&env.db, org).await.unwrap().as_deref(), Some("prod_free"));
        let edit = entitlements::TierEdit {
            is_default: Some(true),
            benefits: Some(vec!["Ours".to_owned()]),
            ..entitlements::TierEdit::default()
        };
        let mut tx = env.db.begin().await.unwrap();
        assert!(entitlements::edit_tier(&mut tx, org, "prod_a", &edit, env.now()).await.unwrap());
        assert!(!entitlements::edit_tier(&mut tx, org, "prod_none", &edit, env.now()).await.unwrap());
        tx.commit().await.unwrap();
        let tier = entitlements::tier(&env.db, org, "prod_a").await.unwrap().unwrap();
        assert!(tier.is_default && tier.edited_at.is_some());
        assert_eq!(serde_json::from_str::<serde_json::Value>(&tier.benefits).unwrap(), json!(["Ours"]));
        let all = entitlements::tiers(&env.db, org, None, 10).await.unwrap();
        assert_eq!(all.iter().filter(|tier| tier.is_default).count(), 1);
    }

    async fn what_is_listed_of_a_creator_is_that_of_her_members(db: TestDb) {
        fill(&db).await;
        let mut tx = db.env.db.begin().await.unwrap();
        let new = creators::New { name: "Ann", external_id: Some("ann"), time_zone: None };
        let ann = creators::create(&mut tx, &db, "default", new).await.unwrap().unwrap();
        let key = Filter { foreign_key: Some(("stripe", "cus_1")), ..Filter::default() };
        let member = members::list(&db.env.db, "default", &key, None, 1).await.unwrap().remove(0);
        let (_, before) = members::details_in(&mut tx, "default", &member.id).await.unwrap().unwrap();
        let mut hers = before.clone();
        hers.creator = Some(ann.id.clone());
        members::update(&mut tx, "default", &member.id, (&before, &hers), db.now()).await.unwrap();
        tx.commit().await.unwrap();
        let (db, org) = (&db.env.db, "default");
        let filter = Filter { creator: Some(&ann.id), ..Filter::default() };
        let listed = members::list(db, org, &filter, None, 10).await.unwrap();
        assert_eq!(listed.iter().map(|row| &row.id).collect::<Vec<_>>(), [&member.id]);
        for (creator, member, found) in [
            (Some(ann.id.as_str()), None, 1),
            (Some(&ann.id), Some(member.id.as_str()), 1),
            (Some(&ann.id), Some("mem_other"), 0),
            (Some("crt_other"), None, 0),
            (None, None, 2),
        ] {
            let whose = Whose { member, creator };
            let now = Timestamp::from_seconds(1_760_000_000);
            let subs = read::subscriptions(db, org, whose, None, None, 10).await.unwrap();
            let invoices = read::invoices(db, org, whose, None, None, None, 10).await.unwrap();
            let purchases = read::purchases(db, org, now, whose, None, 10).await.unwrap();
            assert_eq!([subs.len(), invoices.len(), purchases.len()], [found; 3], "{whose:?}");
        }
    }
}
