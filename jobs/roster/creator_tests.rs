//! Members and the creators whose they are, on both databases.

use super::{
    Outcome, Refused, Whom, delete, edit, restore,
    tests::{ann, change, details, gone, jane, made, make},
};
use crate::{both, creators, kernel::Env, members::Edit};

fn creator(word: &str) -> Edit {
    Edit { creator: Some(Some(word.to_owned())), ..Edit::default() }
}

both! {
    /// Seed rows 41, 46.
    async fn a_member_is_one_creators_under_either_of_her_ids_and_an_archived_one_takes_nobody(db: TestDb) {
        let ann = ann(&db).await;
        let mut new = jane("jane@example.com");
        new.details.creator = Some("ann".to_owned());
        let id = made(&db, &new).await;
        let version = details(&db, &id).await.version();
        assert_eq!(details(&db, &id).await.creator.as_ref(), Some(&ann));
        assert_eq!(change(&db, &id, &creator("ann")).await, Ok(false));
        let unknown = Err(Refused::Creator(creators::Refused::NoCreator));
        assert_eq!(change(&db, &id, &creator("bea")).await, unknown);
        let mut tx = db.db.begin().await.unwrap();
        let archive = creators::Edit { archived: Some(true), ..creators::Edit::default() };
        creators::edit(&mut tx, &db, "default", &ann, &archive).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        assert_eq!(change(&db, &id, &creator("ann")).await, Ok(false));
        let nobodys = Edit { creator: Some(None), ..Edit::default() };
        assert_eq!(change(&db, &id, &nobodys).await, Ok(true));
        assert_ne!(details(&db, &id).await.version(), version);
        let archived = Err(Refused::Creator(creators::Refused::Archived(ann)));
        assert_eq!(change(&db, &id, &creator("ann")).await, archived);
        new.details.email = Some("june@example.com".to_owned());
        assert!(matches!(make(&db, &new).await, Err(Refused::Creator(_))));
    }

    async fn a_member_of_another_creator_is_not_there_for_who_may_write_one_creators_only(db: TestDb) {
        let ann = ann(&db).await;
        let id = made(&db, &jane("jane@example.com")).await;
        let with = async |only: &str, what: &str| {
            let whom = Whom { only: Some(only), ..Whom::is(&id) };
            let env: &Env = &db;
            let mut tx = db.db.begin().await.unwrap();
            let done: Outcome<bool> = match what {
                "edit" => edit(&mut tx, env, "default", whom, &creator("ann")).await.unwrap(),
                "delete" => delete(&mut tx, env, "default", whom).await.unwrap(),
                _ => restore(&mut tx, env, "default", whom).await.unwrap(),
            };
            tx.commit().await.unwrap();
            done
        };
        // Nobody's, she cannot be taken, whatever she would be afterwards.
        assert_eq!(with(&ann, "edit").await, Err(Refused::NoMember));
        assert_eq!(details(&db, &id).await.creator, None);
        assert_eq!(change(&db, &id, &creator("ann")).await, Ok(true));
        for what in ["edit", "delete", "restore"] {
            assert_eq!(with("crt_other", what).await, Err(Refused::NoMember), "{what}");
        }
        assert_eq!(with(&ann, "edit").await, Ok(false));
        assert_eq!(with(&ann, "delete").await, Ok(true));
        assert_eq!(with("crt_other", "restore").await, Err(Refused::NoMember));
        assert_eq!(gone(&db, &id).await, Ok(false), "she is still deleted");
        assert_eq!(with(&ann, "restore").await, Ok(true));
    }
}
