//! What lists of operations read.

use super::*;
use crate::{
    both,
    testing::{
        crowd::{FEW, MANY, fill, with_statistics},
        plan::assert_looks_up,
    },
};

both! {
    async fn operations_of_few_members_are_looked_up(db: TestDb) {
        fill(&db).await;
        let none: Option<&str> = None;
        with_statistics(&db, async || {
            let row = args!["default", r#"["mem_10001","mem_10003"]"#, LAST, none, none, 10];
            assert_looks_up(&db, LIST.look_up, row, 30.0, &["stripe_operations_member"]).await;
            let row = args!["default", MANY, LAST, none, none, 10];
            assert_looks_up(&db, LIST.walk_of, row, 120.0, &["stripe_operations_organization"]).await;
            let row = args!["default", none, LAST, none, none, 10];
            assert_looks_up(&db, LIST.walk, row, 60.0, &["stripe_operations_organization"]).await;
        })
        .await;
        for (creator, newest, count) in [(FEW, "op_10005", 5), (MANY, "op_13000", 10)] {
            let filter = Filter { whose: Whose { member: None, creator: Some(creator) }, ..Filter::default() };
            let found = list(&db.env.db, "default", &filter, None, 10).await.unwrap();
            assert_eq!((found[0].id.as_str(), found.len()), (newest, count));
            assert!(found.is_sorted_by(|one, next| one.id > next.id));
        }
    }
}
