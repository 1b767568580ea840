//! Creators on both databases.

use std::time::Duration;

use super::{Creator, Edit, New, Outcome, Refused, create, edit, find, list};
use crate::{
    access::ensure_organization,
    both,
    kernel::Env,
};

async fn make(env: &Env, organization: &str, name: &str, external_id: Option<&str>) -> Outcome<Creator> {
    let mut tx = env.db.begin().await.unwrap();
    let made = create(&mut tx, env, organization, New { name, external_id, time_zone: None }).await.unwrap();
    tx.commit().await.unwrap();
    made
}

async fn change(env: &Env, organization: &str, word: &str, change: &Edit) -> Outcome<Creator> {
    let mut tx = env.db.begin().await.unwrap();
    let done = edit(&mut tx, env, organization, word, change).await.unwrap();
    tx.commit().await.unwrap();
    done
}

async fn other(env: &Env) {
    let mut tx = env.db.begin().await.unwrap();
    ensure_organization(&mut tx, "other", "Other", env.now()).await.unwrap();
    tx.commit().await.unwrap();
}

both! {
    async fn a_creator_is_found_by_either_id_in_her_organization_only(db: TestDb) {
        other(&db).await;
        let ann = make(&db, "default", "Ann", Some("a-1")).await.unwrap();
        let theirs = make(&db, "other", "Ann", Some("a-1")).await.unwrap();
        for word in [ann.id.as_str(), "a-1"] {
            assert_eq!(find(&db.db, "default", word).await.unwrap().as_ref(), Some(&ann), "{word}");
        }
        assert_eq!(find(&db.db, "default", &theirs.id).await.unwrap(), None);
        assert_eq!(change(&db, "other", &ann.id, &Edit::default()).await, Err(Refused::NoCreator));
    }

    async fn an_external_id_is_one_creators_and_never_looks_like_an_id(db: TestDb) {
        let ann = make(&db, "default", "Ann", Some("1")).await.unwrap();
        let taken = Err(Refused::ExternalIdTaken(ann.id.clone()));
        assert_eq!(make(&db, "default", "Bea", Some("1")).await, taken);
        let bea = make(&db, "default", "Bea", None).await.unwrap();
        let to = |id: &str| Edit { external_id: Some(Some(id.to_owned())), ..Edit::default() };
        assert_eq!(change(&db, "default", &bea.id, &to("1")).await, taken);
        assert_eq!(change(&db, "default", &bea.id, &to(&ann.id)).await, Err(Refused::LooksLikeAnId));
        assert_eq!(change(&db, "default", &bea.id, &to("2")).await.unwrap().external_id.as_deref(), Some("2"));
        assert_eq!(make(&db, "default", "", None).await, Err(Refused::Bounds("name", 255)));
        assert_eq!(make(&db, "default", "x", Some("")).await, Err(Refused::Bounds("external_id", 255)));
    }

    async fn a_time_zone_is_one_of_the_iana_database(db: TestDb) {
        let ann = make(&db, "default", "Ann", None).await.unwrap();
        let to = |zone: Option<&str>| Edit { time_zone: Some(zone.map(str::to_owned)), ..Edit::default() };
        let moved = change(&db, "default", &ann.id, &to(Some("Asia/Tokyo"))).await.unwrap();
        assert_eq!(moved.time_zone.as_deref(), Some("Asia/Tokyo"));
        let refused = Refused::TimeZone("Mars/Olympus".to_owned());
        assert_eq!(change(&db, "default", &ann.id, &to(Some("Mars/Olympus"))).await, Err(refused));
        assert_eq!(change(&db, "default", &ann.id, &to(None)).await.unwrap().time_zone, None);
    }

    async fn an_edit_that_changes_nothing_writes_nothing(db: TestDb) {
        let ann = make(&db, "default", "Ann", None).await.unwrap();
        db.advance(Duration::from_secs(1));
        let same = Edit { name: Some("Ann".to_owned()), archived: Some(false), external_id: Some(None), time_zone: Some(None) };
        assert_eq!(change(&db, "default", &ann.id, &same).await, Ok(ann.clone()));
        let archived = Edit { archived: Some(true), ..Edit::default() };
        let first = change(&db, "default", &ann.id, &archived).await.unwrap();
        assert_eq!((first.archived_at, first.updated_at), (Some(db.now()), db.now()));
        db.advance(Duration::from_secs(1));
        let renamed = Edit { name: Some("Anna".to_owned()), ..Edit::default() };
        assert_eq!(change(&db, "default", &ann.id, &renamed).await.unwrap().archived_at, first.archived_at);
        let back = Edit { archived: Some(false), ..Edit::default() };
        assert_eq!(change(&db, "default", &ann.id, &back).await.unwrap().archived_at, None);
    }

    async fn creators_are_listed_newest_first(db: TestDb) {
        other(&db).await;
        let mut ids = Vec::new();
        for name in ["a", "b", "c"] {
            ids.push(make(&db, "default", name, None).await.unwrap().id);
        }
        make(&db, "other", "d", None).await.unwrap();
        let names = async |only, before, limit| -> Vec<String> {
            let rows = list(&db.db, "default", only, before, limit).await.unwrap();
            rows.into_iter().map(|row| row.name).collect()
        };
        assert_eq!(names(None, None, 2).await, ["c", "b"]);
        assert_eq!(names(None, Some(ids[1].as_str()), 2).await, ["a"]);
        assert_eq!(names(Some(ids[0].as_str()), None, 2).await, ["a"]);
    }
}
