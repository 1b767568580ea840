//! Writing members, and what follows, on both databases.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use super::{Fate, NewMember, Outcome, Refused, Whom, create, delete, edit, import, record::Record, restore};
use crate::{
    FAMILIES, args, both,
    creators,
    entitlements::{
        ProductFacts,
        grants::{NewGrant, grant},
        model::Source,
        store::{of_members, upsert_tier},
    },
    kernel::{Env, Registry, db, db::Sql, outbox::NewJob, ports::ObjectType},
    members::{Details, Edit, Key, KeysEdit, store},
    sync::{FetchObject, store::conflicts},
    testing::TestDb,
};

const EVENTS: Sql = Sql::both("SELECT type, data FROM events WHERE member_id = $1 ORDER BY id");
const PRODUCTS: Sql = Sql::both("SELECT products FROM members WHERE id = $1");

pub(super) fn jane(email: &str) -> NewMember {
    let details = Details {
        email: Some(email.to_owned()),
        name: Some("Jane".to_owned()),
        ..Details::default()
    };
    NewMember { details, joined_at: None }
}

fn key(provider: &str, id: &str) -> Key {
    Key { provider: provider.to_owned(), external_id: id.to_owned() }
}

fn keyed(email: &str, key: Key) -> NewMember {
    let mut new = jane(email);
    new.details.keys = BTreeSet::from([key]);
    new
}

async fn try_make(env: &Env, new: &NewMember) -> db::Result<Outcome<String>> {
    let mut tx = env.db.begin().await?;
    let made = create(&mut tx, env, "default", new).await?;
    tx.commit().await?;
    Ok(made)
}

/// Tried again after a race, as the API does.
pub(super) async fn make(env: &Env, new: &NewMember) -> Outcome<String> {
    loop {
        match try_make(env, new).await {
            Err(db::Error::Conflict(_)) => {}
            made => return made.unwrap(),
        }
    }
}

pub(super) async fn made(env: &Env, new: &NewMember) -> String {
    make(env, new).await.unwrap()
}

async fn try_change(env: &Env, id: &str, change: &Edit) -> db::Result<Outcome<bool>> {
    let mut tx = env.db.begin().await?;
    let done = edit(&mut tx, env, "default", Whom::is(id), change).await?;
    tx.commit().await?;
    Ok(done)
}

pub(super) async fn change(env: &Env, id: &str, change: &Edit) -> Outcome<bool> {
    try_change(env, id, change).await.unwrap()
}

pub(super) async fn gone(env: &Env, id: &str) -> Outcome<bool> {
    let mut tx = env.db.begin().await.unwrap();
    let done = delete(&mut tx, env, "default", Whom::is(id)).await.unwrap();
    tx.commit().await.unwrap();
    done
}

pub(super) async fn back(env: &Env, id: &str) -> Outcome<bool> {
    let mut tx = env.db.begin().await.unwrap();
    let done = restore(&mut tx, env, "default", Whom::is(id)).await.unwrap();
    tx.commit().await.unwrap();
    done
}

pub(super) async fn details(env: &Env, id: &str) -> Details {
    let mut tx = env.db.begin().await.unwrap();
    store::details_in(&mut tx, "default", id).await.unwrap().unwrap().1
}

fn address(email: &str) -> Edit {
    Edit { email: Some(Some(email.to_owned())), ..Edit::default() }
}

fn keys(keys: &[Key]) -> Edit {
    Edit { keys: KeysEdit::Replace(keys.iter().cloned().collect()), ..Edit::default() }
}

/// On SQLite there is one transaction at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_written_while_an_import_adds_one_stays() {
    let db = TestDb::postgres().await;
    let id = made(&db, &jane("jane@example.com")).await;
    let mut tx = db.db.begin().await.unwrap();
    let hers = keys(&[key("crm", "1")]);
    assert_eq!(edit(&mut tx, &db, "default", Whom::is(&id), &hers).await.unwrap(), Ok(true));
    let importing = async {
        let add = KeysEdit::Add(BTreeSet::from([key("old", "7")]));
        let record = Record { edit: Edit { keys: add, ..address("jane@example.com") }, ..Record::default() };
        let mut tx = db.db.begin().await.unwrap();
        let fates = import(&mut tx, &db, "default", &[record], true).await.unwrap();
        tx.commit().await.unwrap();
        fates
    };
    let committing = async {
        db.until_one_waits().await;
        tx.commit().await.unwrap();
    };
    assert_eq!(tokio::join!(importing, committing).0, [Fate::Changed]);
    assert_eq!(details(&db, &id).await.keys, BTreeSet::from([key("crm", "1"), key("old", "7")]));
}

/// Makes a creator, whose external id is `ann`.
pub(super) async fn ann(env: &Env) -> String {
    let mut tx = env.db.begin().await.unwrap();
    let new = creators::New { name: "Ann", external_id: Some("ann"), time_zone: None };
    let made = creators::create(&mut tx, env, "default", new).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    made.id
}

/// Has Stripe tell of a customer.
async fn customer(db: &TestDb, id: &str, email: &str) {
    let customer = json!({ "id": id, "object": "customer", "created": 1_760_000_000, "livemode": false,
        "email": email, "name": "Jane at Stripe", "metadata": {} });
    db.stripe.put(&customer);
    let fetch = FetchObject::of(ObjectType::Customer, id);
    db.enqueue(NewJob::of("default", &fetch).unwrap()).await;
    db.drain(&Registry::of(FAMILIES)).await;
}

async fn member_of(db: &TestDb, customer: &str) -> String {
    let sql = Sql::both("SELECT member_id FROM customers WHERE id = $1");
    let rows: Vec<(String,)> = db.rows(sql, args![customer]).await;
    rows.into_iter().next().unwrap().0
}

/// Customer, kind and whom the other source names.
async fn open(db: &TestDb) -> Vec<(String, String, String)> {
    let rows = conflicts::list(&db.db, "default", None, 10).await.unwrap();
    rows.into_iter().map(|row| (row.customer_id, row.kind, row.claimed)).collect()
}

both! {
    /// Seed rows 15, 16.
    async fn an_address_belongs_to_one_living_member(db: TestDb) {
        let first = made(&db, &jane("jane@example.com")).await;
        let taken = Err(Refused::EmailTaken(first.clone()));
        assert_eq!(make(&db, &jane(" JANE@Example.com")).await, taken);
        let second = made(&db, &jane("joan@example.com")).await;
        assert_eq!(change(&db, &second, &address("Jane@example.com")).await, taken.clone().map(|_: String| true));
        assert_eq!(change(&db, &first, &address("JANE@example.com")).await, Ok(true));
        assert_eq!(details(&db, &first).await.email.as_deref(), Some("JANE@example.com"));
        assert_eq!(change(&db, &first, &address("jane@example.com ")).await, Ok(true));
        assert_eq!(change(&db, &first, &address("jane@example.com")).await, Ok(false));
        assert_eq!(db.count("events WHERE type = 'audience.member_joined'").await, 2);
    }

    async fn of_twenty_who_are_made_at_once_with_one_address_one_is(db: TestDb) {
        let mut nodes = Vec::new();
        for _ in 0..4 {
            nodes.push(db.node().await);
        }
        let tracker = TaskTracker::new();
        let tries = (0..20).map(|n| {
            let node = nodes[n % 4].clone();
            tracker.spawn(async move { make(&node, &jane("jane@example.com")).await })
        });
        let (mut made, mut refused) = (Vec::new(), BTreeSet::new());
        for one in tries.collect::<Vec<_>>() {
            match one.await.unwrap() {
                Ok(id) => made.push(id),
                Err(Refused::EmailTaken(holder)) => {
                    refused.insert(holder);
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(refused.into_iter().collect::<Vec<_>>(), made);
        assert_eq!(db.count("members").await, 1);
    }

    async fn of_many_who_take_one_address_or_key_at_once_one_gets_it(db: TestDb) {
        let mut ids = Vec::new();
        for n in 0..8 {
            ids.push(made(&db, &jane(&format!("{n}@example.com"))).await);
        }
        for wish in [address("jane@example.com"), keys(&[key("crm", "1")])] {
            let tracker = TaskTracker::new();
            let mut tries = Vec::new();
            for id in &ids {
                let (node, id, wish) = (db.node().await, id.clone(), wish.clone());
                tries.push(tracker.spawn(async move { try_change(&node, &id, &wish).await }));
            }
            let mut got = 0;
            for one in tries {
                match one.await.unwrap() {
                    Ok(Ok(changed)) => got += usize::from(changed),
                    Ok(Err(Refused::EmailTaken(_) | Refused::KeyTaken { .. })) | Err(db::Error::Conflict(_)) => {}
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(got, 1, "{wish:?}");
        }
    }

    /// Seed rows 20 to 22, 123, 159.
    async fn everything_that_is_written_is_read_again(db: TestDb) {
        let id = made(&db, &jane("jane@example.com")).await;
        let all = Edit {
            email: Some(Some("joan@example.com".to_owned())),
            email_verified: Some(true),
            name: Some(None),
            phone: Some(Some("+44 7700 900123".to_owned())),
            meta: crate::members::MetaEdit::Replace([("a".to_owned(), json!("ä")), ("b".to_owned(), json!(1.5))].into()),
            tags: Some(["vip", "press"].map(str::to_owned).into()),
            keys: KeysEdit::Replace([key("crm", "1"), key("crm", "2")].into()),
            archived: Some(true),
            creator: Some(Some(ann(&db).await)),
        };
        let before = details(&db, &id).await;
        assert_eq!(change(&db, &id, &all).await, Ok(true));
        let after = details(&db, &id).await;
        assert_eq!(after, all.apply(&before));
        assert_eq!(change(&db, &id, &all).await, Ok(false));
        let less = Edit { tags: Some(BTreeSet::new()), archived: Some(false), ..keys(&[key("crm", "2")]) };
        assert_eq!(change(&db, &id, &less).await, Ok(true));
        assert_eq!(details(&db, &id).await, less.apply(&after));
        assert_eq!((db.count("member_tags").await, db.count("member_keys").await), (0, 1));
        let wrong = Edit { phone: Some(Some(String::new())), ..Edit::default() };
        assert!(matches!(change(&db, &id, &wrong).await, Err(Refused::Invalid(invalid)) if invalid.field == "phone"));
    }

    async fn an_edit_holds_only_for_the_version_that_was_seen(db: TestDb) {
        let id = made(&db, &jane("jane@example.com")).await;
        let seen = [details(&db, &id).await.version()];
        let twice = async |name: &str| {
            let change = Edit { name: Some(Some(name.to_owned())), ..Edit::default() };
            let mut tx = db.db.begin().await.unwrap();
            let whom = Whom { expected: Some(&seen), ..Whom::is(&id) };
            let done = edit(&mut tx, &db, "default", whom, &change).await.unwrap();
            tx.commit().await.unwrap();
            done
        };
        assert_eq!(twice("Joan").await, Ok(true));
        assert_eq!(twice("June").await, Err(Refused::Changed));
        assert_eq!(details(&db, &id).await.name.as_deref(), Some("Joan"));
    }

    /// Seed rows 7, 23, 122.
    async fn a_deleted_member_frees_her_address_and_keeps_her_keys(db: TestDb) {
        let first = made(&db, &keyed("jane@example.com", key("crm", "1"))).await;
        assert_eq!(gone(&db, &first).await, Ok(true));
        assert_eq!(gone(&db, &first).await, Ok(false));
        assert_eq!(change(&db, &first, &address("x@example.com")).await, Err(Refused::Deleted));
        let refused = make(&db, &keyed("joan@example.com", key("crm", "1"))).await;
        assert_eq!(refused, Err(Refused::KeyTaken { key: key("crm", "1"), member: first.clone() }));
        let second = made(&db, &jane("jane@example.com")).await;
        assert_eq!(back(&db, &first).await, Err(Refused::EmailTaken(second.clone())));
        assert_eq!(gone(&db, &second).await, Ok(true));
        assert_eq!(back(&db, &first).await, Ok(true));
        assert_eq!(back(&db, &first).await, Ok(false));
        assert_eq!(change(&db, "mem_none", &Edit::default()).await, Err(Refused::NoMember));
        assert_eq!(gone(&db, "mem_none").await, Err(Refused::NoMember));
    }

    async fn access_goes_with_the_member_and_comes_back_with_her(db: TestDb) {
        let product = ProductFacts { id: "prod_a".to_owned(), name: "A".to_owned(), description: None, active: true,
            is_default: false, benefits: Vec::new() };
        let id = made(&db, &jane("jane@example.com")).await;
        let mut tx = db.db.begin().await.unwrap();
        upsert_tier(&mut tx, &db, "default", &product).await.unwrap();
        let gift = NewGrant { product_id: "prod_a".to_owned(), source: Source::Complimentary, external_reference: None,
            subscription_id: None, from_member_id: None, note: None, starts_at: None, ends_at: None };
        grant(&mut tx, &db, "default", &id, "key_1", &gift).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        let products = async || -> String {
            let rows: Vec<(String,)> = db.rows(PRODUCTS, args![&id]).await;
            rows.into_iter().next().unwrap().0
        };
        assert_eq!(products().await, "[\"prod_a\"]");
        gone(&db, &id).await.unwrap();
        assert_eq!(products().await, "[]");
        assert_eq!(of_members(&db.db, "default", std::slice::from_ref(&id)).await.unwrap().len(), 1);
        back(&db, &id).await.unwrap();
        assert_eq!(products().await, "[\"prod_a\"]");
        let told: Vec<(String, String)> = db.rows(EVENTS, args![&id]).await;
        let changes: Vec<Value> = told.iter().filter(|(kind, _)| kind == "audience.access_changed")
            .map(|(_, data)| serde_json::from_str(data).unwrap()).collect();
        let (gained, lost) = (json!({"gained": ["prod_a"], "lost": []}), json!({"gained": [], "lost": ["prod_a"]}));
        assert_eq!(changes, [gained.clone(), lost, gained]);
    }

    async fn a_customer_whose_key_is_written_is_linked_and_the_link_is_not_moved(db: TestDb) {
        let hers = made(&db, &keyed("jane@example.com", key("stripe", "cus_1"))).await;
        db.stripe.put(&json!({ "id": "cus_1", "object": "customer", "created": 1_760_000_000, "livemode": false,
            "email": "other@example.com", "metadata": {} }));
        db.drain(&Registry::of(FAMILIES)).await;
        assert_eq!(member_of(&db, "cus_1").await, hers);
        let linked = Err(Refused::KeyLinked("cus_1".to_owned()));
        assert_eq!(change(&db, &hers, &keys(&[])).await, linked);
        let other = made(&db, &jane("joan@example.com")).await;
        let taken = Refused::KeyTaken { key: key("stripe", "cus_1"), member: hers.clone() };
        assert_eq!(change(&db, &other, &keys(&[key("stripe", "cus_1")])).await, Err(taken));
        // One that is nobody's customer may go again.
        let both = [key("stripe", "cus_1"), key("stripe", "cus_typo")];
        assert_eq!(change(&db, &hers, &keys(&both)).await, Ok(true));
        db.drain(&Registry::of(FAMILIES)).await;
        assert_eq!(change(&db, &hers, &keys(&both[..1])).await, Ok(true));
        assert_eq!(open(&db).await, []);
    }

    async fn an_address_links_a_customer_only_when_it_is_proved(db: TestDb) {
        let id = made(&db, &jane("jane@example.com")).await;
        customer(&db, "cus_1", "jane@example.com").await;
        let stranger = member_of(&db, "cus_1").await;
        assert_ne!(stranger, id);
        assert_eq!(open(&db).await, [("cus_1".to_owned(), "email_taken".to_owned(), id.clone())]);
        // She takes another address, and what did not agree is over.
        assert_eq!(change(&db, &id, &address("joan@example.com")).await, Ok(true));
        db.drain(&Registry::of(FAMILIES)).await;
        assert_eq!(open(&db).await, []);
        let proved = Edit { email_verified: Some(true), ..Edit::default() };
        assert_eq!(change(&db, &id, &proved).await, Ok(true));
        customer(&db, "cus_2", "joan@example.com").await;
        assert_eq!(member_of(&db, "cus_2").await, id);
    }

    async fn what_people_have_written_is_not_written_over_by_stripe(db: TestDb) {
        customer(&db, "cus_1", "a@example.com").await;
        customer(&db, "cus_2", "b@example.com").await;
        let (followed, written) = (member_of(&db, "cus_1").await, member_of(&db, "cus_2").await);
        let proved = Edit { email_verified: Some(true), ..Edit::default() };
        change(&db, &followed, &proved).await.unwrap();
        let name = Edit { name: Some(Some("June".to_owned())), ..Edit::default() };
        change(&db, &written, &name).await.unwrap();
        customer(&db, "cus_1", "aa@example.com").await;
        customer(&db, "cus_2", "bb@example.com").await;
        let (followed, written) = (details(&db, &followed).await, details(&db, &written).await);
        assert_eq!((followed.email.as_deref(), followed.email_verified), (Some("aa@example.com"), false));
        assert_eq!((written.email.as_deref(), written.name.as_deref()), (Some("b@example.com"), Some("June")));
    }
}
