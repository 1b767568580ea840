//! What lists of members read, and whom they find.

use super::*;
use crate::{
    both,
    members::{
        Whose,
        store::{Way, way, whose::LOOKED_UP_MAX},
    },
    testing::{
        TestDb,
        crowd::{CROWD, FEW, MANY, fill, with_statistics},
        plan::assert_looks_up,
    },
};

/// What is read for a page of ten, by the indexes that are told.
async fn reads(db: &TestDb, filter: Filter<'_>, most: f64, indexes: &[&str]) {
    let mut args = filter.args("default", None);
    args.push(10_i64.into());
    assert_looks_up(db, filter.statements().list, &args, most, indexes).await;
}

async fn listed(db: &TestDb, filter: Filter<'_>) -> Vec<String> {
    let found = list(&db.env.db, "default", &filter, None, 10).await.unwrap();
    found.into_iter().map(|row| row.id).collect()
}

both! {
    async fn whom_a_filter_names_is_looked_up_however_many_others_there_are(db: TestDb) {
        fill(&db).await;
        let none = Filter::default();
        with_statistics(&db, async || {
            let email = Filter { email: Some("17@example.com"), ..none };
            reads(&db, email, 20.0, &["members_email", "members_deleted_email"]).await;
            let deleted = Filter { email: Some("19@example.com"), include_deleted: true, ..none };
            reads(&db, deleted, 20.0, &["members_email", "members_deleted_email"]).await;
            let key = Filter { foreign_key: Some(("crm", "17")), ..none };
            reads(&db, key, 20.0, &["sqlite_autoindex_member_keys_1"]).await;
            for tag in ["rare", "often"] {
                reads(&db, Filter { tag: Some(tag), ..none }, 100.0, &["member_tags_tag"]).await;
            }
            reads(&db, Filter { creator: Some(FEW), ..none }, 30.0, &["members_creator"]).await;
            reads(&db, Filter { creator: Some(MANY), ..none }, 60.0, &["members_creator"]).await;
            reads(&db, none, 60.0, &["members_organization"]).await;
        })
        .await;
        let all = Filter { include_deleted: true, ..none };
        for (filter, found) in [
            (Filter { email: Some("17@example.com"), ..none }, vec!["mem_10017"]),
            (Filter { email: Some("19@example.com"), ..none }, vec![]),
            (Filter { email: Some("19@example.com"), ..all }, vec!["mem_10019"]),
            (Filter { email: Some("17@example.com"), creator: Some(FEW), ..all }, vec![]),
            (Filter { foreign_key: Some(("crm", "4")), tag: Some("often"), creator: Some(FEW), ..none }, vec!["mem_10004"]),
            (Filter { foreign_key: Some(("crm", "4")), tag: Some("rare"), ..none }, vec![]),
            (Filter { tag: Some("rare"), ..none }, vec!["mem_12507", "mem_12007", "mem_11507", "mem_11007", "mem_10507", "mem_10007"]),
            (Filter { creator: Some(FEW), ..none }, vec!["mem_10005", "mem_10004", "mem_10003", "mem_10002", "mem_10001"]),
        ] {
            assert_eq!(listed(&db, filter).await, found, "{filter:?}");
        }
    }

    async fn rows_of_few_are_looked_up_and_those_of_many_walked(db: TestDb) {
        fill(&db).await;
        const { assert!(CROWD / 2 > LOOKED_UP_MAX + 1, "of many there are too few") };
        let found = async |member, creator| way(&db.env.db, "default", Whose { member, creator }).await.unwrap();
        let look_up = |members: &[&str]| Way::LookUp(serde_json::json!(members).to_string());
        assert_eq!(found(None, None).await, Way::Walk);
        assert_eq!(found(Some("mem_10009"), None).await, look_up(&["mem_10009"]));
        let few = ["mem_10001", "mem_10002", "mem_10003", "mem_10004", "mem_10005"];
        assert_eq!(found(None, Some(FEW)).await, look_up(&few));
        assert_eq!(found(Some("mem_10002"), Some(FEW)).await, look_up(&["mem_10002"]));
        assert_eq!(found(Some("mem_10009"), Some(FEW)).await, look_up(&[]));
        assert_eq!(found(None, Some(MANY)).await, Way::WalkOf(MANY.to_owned()));
        assert_eq!(found(Some("mem_10010"), Some(MANY)).await, look_up(&["mem_10010"]));
    }
}
