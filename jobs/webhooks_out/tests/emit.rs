//! A delivery exists if and only if its event does, for each endpoint that wants it.

use super::{deliveries_of, endpoint, endpoint_of, granted, tell};
use crate::{
    args, both,
    kernel::{
        db::Sql,
        events::{Event, emit, emit_many},
    },
    webhooks_out::{self, store::deliveries::Delivery},
};

const NUMBERS: Sql = Sql::both("SELECT sequence FROM events WHERE member_id = $1 ORDER BY id");

both! {
    async fn an_event_and_its_deliveries_commit_together_or_not_at_all(db: TestDb) {
        endpoint(&db).await;
        let mut tx = db.env.db.begin().await.unwrap();
        emit(&mut tx, &db, &granted(None)).await.unwrap();
        drop(tx);
        for table in ["events", "webhook_deliveries", "jobs"] {
            assert_eq!(db.count(table).await, 0, "{table}");
        }
        tell(&db, &granted(None)).await;
        for table in ["events", "webhook_deliveries", "jobs"] {
            assert_eq!(db.count(table).await, 1, "{table}");
        }
    }

    async fn without_an_endpoint_there_is_only_the_event(db: TestDb) {
        tell(&db, &granted(None)).await;
        assert_eq!((db.count("events").await, db.count("webhook_deliveries").await), (1, 0));
        assert_eq!(db.count("jobs").await, 0);
    }

    async fn each_endpoint_hears_of_its_organization_and_its_types(db: TestDb) {
        let sql = Sql::both("INSERT INTO organizations (id, name, created_at) VALUES ('other', 'Other', 0)");
        db.execute(sql, &[]).await;
        let all = endpoint(&db).await;
        let some = endpoint_of(&db, "default", Some(&["job.discarded", "audience.access_granted"])).await;
        let none = endpoint_of(&db, "default", Some(&["audience.access_changed"])).await;
        let other = endpoint_of(&db, "other", None).await;
        let off = endpoint(&db).await;
        let mut tx = db.env.db.begin().await.unwrap();
        webhooks_out::set_enabled(&mut tx, &db, "default", &off.id, false).await.unwrap();
        tx.commit().await.unwrap();

        let mine = Event { organization_id: "other".to_owned(), ..granted(None) };
        let mut tx = db.env.db.begin().await.unwrap();
        emit_many(&mut tx, &db, &[granted(None), mine, granted(None)]).await.unwrap();
        tx.commit().await.unwrap();
        let heard = |rows: Vec<Delivery>, id: &str| rows.iter().filter(|row| row.endpoint_id == id).count();
        for (endpoint, times) in [(&all, 2), (&some, 2), (&none, 0), (&off, 0), (&other, 0)] {
            assert_eq!(heard(deliveries_of(&db, "default").await, &endpoint.id), times, "{endpoint:?}");
        }
        assert_eq!(heard(deliveries_of(&db, "other").await, &other.id), 1);
        // One job for each endpoint, however many deliveries.
        assert_eq!(db.count("jobs").await, 3);
    }

    async fn events_of_a_member_are_numbered_in_their_order(db: TestDb) {
        for _ in 0..2 {
            tell(&db, &granted(Some("mem_a"))).await;
        }
        let mut tx = db.env.db.begin().await.unwrap();
        let events = [granted(Some("mem_a")), granted(Some("mem_b")), granted(None), granted(Some("mem_a"))];
        emit_many(&mut tx, &db, &events).await.unwrap();
        tx.commit().await.unwrap();
        for (member, numbers) in [("mem_a", vec![1, 2, 3, 4]), ("mem_b", vec![1])] {
            let rows: Vec<(i64,)> = db.rows(NUMBERS, args![member]).await;
            assert_eq!(rows.into_iter().map(|row| row.0).collect::<Vec<_>>(), numbers, "{member}");
        }
        assert_eq!(db.count("events WHERE sequence IS NULL").await, 1);
    }
}
