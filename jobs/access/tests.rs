//! Keys on both databases.

use std::time::Duration;

use super::{
    Key, NewKey, Scope, Scopes, create_key, ensure_organization, find_key, list_keys, revoke_key,
    touch_key,
};
use crate::{
    both,
    kernel::{Env, Timestamp},
};

async fn make(env: &Env, organization: &str, name: &str) -> Key {
    let scopes: Scopes = [Scope::JobsRead, Scope::AuditRead].into_iter().collect();
    let new = NewKey {
        organization,
        name,
        scopes: &scopes,
        expires_at: Some(Timestamp(9)),
        live: false,
        unlimited: false,
        creator: None,
    };
    let mut tx = env.db.begin().await.unwrap();
    let (row, key) = create_key(&mut tx, env, &new).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(row.id, key.id());
    key
}

async fn revoke(env: &Env, organization: &str, id: &str) -> Option<Timestamp> {
    let mut tx = env.db.begin().await.unwrap();
    let row = revoke_key(&mut tx, organization, None, id, env.now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    row?.revoked_at
}

both! {
    async fn an_organization_is_made_once(db: TestDb) {
        let mut tx = db.db.begin().await.unwrap();
        assert!(ensure_organization(&mut tx, "new", "New", db.now()).await.unwrap());
        assert!(!ensure_organization(&mut tx, "new", "Other", db.now()).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(db.count("organizations WHERE id = 'new' AND name = 'New'").await, 1);
    }

    async fn a_key_is_found_by_its_id_and_its_secret_is_not_stored(db: TestDb) {
        let key = make(&db, "default", "website").await;
        let row = find_key(&db.db, &key.id()).await.unwrap().unwrap();
        assert!(key.matches(&row.secret_hash));
        assert_eq!(row.scopes, "jobs:read audit:read");
        assert_eq!(row.expires_at, Some(Timestamp(9)));
        assert_eq!(row.last4, key.last4());
        assert!(!format!("{row:?}").contains(key.reveal().split('_').nth(3).unwrap()));
        assert_eq!(find_key(&db.db, "key_00000000").await.unwrap(), None);
    }

    async fn an_unknown_organization_gets_no_key(db: TestDb) {
        let scopes = Scopes::all();
        let new = NewKey { organization: "nobody", name: "x", scopes: &scopes, expires_at: None, live: true, unlimited: false, creator: None };
        let mut tx = db.db.begin().await.unwrap();
        assert!(create_key(&mut tx, &db, &new).await.is_err());
    }

    async fn a_drawn_id_that_is_taken_is_drawn_again(db: TestDb) {
        let first = make(&db, "default", "first").await;
        // The same seed draws the same id first.
        let twin = Env { chance: std::sync::Arc::new(crate::kernel::Chance::seeded(1)), ..db.env.clone() };
        let second = make(&twin, "default", "second").await;
        assert_ne!(first.id(), second.id());
        assert_eq!(db.count("api_keys").await, 2);
    }

    async fn keys_are_listed_newest_first_within_their_organization(db: TestDb) {
        let mut tx = db.db.begin().await.unwrap();
        ensure_organization(&mut tx, "other", "Other", db.now()).await.unwrap();
        tx.commit().await.unwrap();
        for name in ["a", "b", "c"] {
            make(&db, "default", name).await;
            db.advance(Duration::from_secs(1));
        }
        make(&db, "other", "d").await;
        let page = list_keys(&db.db, "default", None, None, 2).await.unwrap();
        let names: Vec<_> = page.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["c", "b"]);
        let last = page.last().unwrap();
        let rest = list_keys(&db.db, "default", None, Some((last.created_at, &last.id)), 2).await.unwrap();
        assert_eq!(rest.len(), 1);
        assert_eq!(rest[0].name, "a");
    }

    async fn a_key_is_revoked_once_and_only_by_its_organization(db: TestDb) {
        let id = make(&db, "default", "x").await.id();
        assert_eq!(revoke(&db, "other", &id).await, None);
        let first = revoke(&db, "default", &id).await;
        assert_eq!(first, Some(db.now()));
        db.advance(Duration::from_secs(5));
        assert_eq!(revoke(&db, "default", &id).await, first);
    }

    async fn the_last_use_only_moves_forward(db: TestDb) {
        let id = make(&db, "default", "x").await.id();
        for at in [Timestamp(20), Timestamp(10)] {
            let mut tx = db.db.begin().await.unwrap();
            touch_key(&mut tx, &id, at).await.unwrap();
            tx.commit().await.unwrap();
        }
        let row = find_key(&db.db, &id).await.unwrap().unwrap();
        assert_eq!(row.last_used_at, Some(Timestamp(20)));
    }
}
