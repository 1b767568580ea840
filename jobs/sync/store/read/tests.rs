//! What lists of subscriptions and invoices read, and what they find.

use super::{
    NEWEST,
    invoices::{self, invoices as list_invoices},
    subscriptions::{self, subscriptions as list_subscriptions},
};
use crate::{
    args, both,
    members::Whose,
    testing::{
        crowd::{FEW, MANY, fill, with_statistics},
        plan::assert_looks_up,
    },
};

const TWO: &str = r#"["mem_10001","mem_10003"]"#;

both! {
    async fn subscriptions_and_invoices_of_few_members_are_looked_up(db: TestDb) {
        fill(&db).await;
        let ((time, last), none): (_, Option<&str>) = (NEWEST, None);
        with_statistics(&db, async || {
            for (sql, named, most, indexes) in [
                (subscriptions::LIST.look_up, Some(TWO), 60.0, &["customers_member", "subscriptions_customer"]),
                (subscriptions::LIST.walk_of, Some(MANY), 300.0, &["subscriptions_created", "sqlite_autoindex_customers_1"]),
                (subscriptions::LIST.walk, None, 150.0, &["subscriptions_created", "sqlite_autoindex_customers_1"]),
            ] {
                let row = args!["default", named, time, last, none, 10];
                assert_looks_up(&db, sql, row, most, indexes).await;
            }
            for (sql, named, subscription, most, indexes) in [
                (invoices::LIST.look_up, Some(TWO), None, 60.0, &["customers_member", "invoices_customer"]),
                (invoices::LIST.walk_of, Some(MANY), None, 300.0, &["invoices_created", "sqlite_autoindex_customers_1"]),
                (invoices::LIST.walk, None, None, 150.0, &["invoices_created", "sqlite_autoindex_customers_1"]),
                (invoices::OF_SUBSCRIPTION.walk, None, Some("sub_10007"), 30.0, &["invoices_subscription", ""]),
                (invoices::OF_SUBSCRIPTION.walk_of, Some(MANY), Some("sub_10008"), 30.0, &["invoices_subscription", ""]),
            ] {
                let row = args!["default", named, time, last, none, subscription, 10];
                assert_looks_up(&db, sql, row, most, indexes).await;
            }
        })
        .await;
    }

    async fn the_newest_of_a_creator_come_first_whether_she_has_few_members_or_many(db: TestDb) {
        fill(&db).await;
        let (db, org) = (&db.env.db, "default");
        for (creator, newest, count) in [(FEW, "10005", 5), (MANY, "13000", 10)] {
            let whose = Whose { member: None, creator: Some(creator) };
            let subscriptions = list_subscriptions(db, org, whose, None, None, 10).await.unwrap();
            let invoices = list_invoices(db, org, whose, Some("paid"), None, None, 10).await.unwrap();
            assert_eq!((subscriptions.len(), invoices.len()), (count, count));
            assert_eq!((subscriptions[0].id.as_str(), invoices[0].id.as_str()),
                (format!("sub_{newest}").as_str(), format!("in_{newest}").as_str()));
            let before = Some((subscriptions[1].created_at, subscriptions[1].id.as_str()));
            let rest = list_subscriptions(db, org, whose, None, before, 10).await.unwrap();
            assert_eq!(rest[0], subscriptions[2]);
            let one = list_invoices(db, org, whose, None, Some(&subscriptions[2].id), None, 10).await.unwrap();
            assert_eq!(one.len(), 1);
            assert_eq!(list_invoices(db, org, whose, None, Some("sub_10007"), None, 10).await.unwrap(), []);
        }
    }
}
