//! Milestones are told once for ever, on both databases.

use serde_json::{Value, json};

use super::{TellMilestones, of_audience};
use crate::{
    FAMILIES, args, both,
    kernel::{Registry, db::Sql, outbox::NewJob, ports::Milestones, scoring::Scoring},
    testing::{
        TestDb,
        engaged::{Did, Engaged, Somebody},
    },
};

const EVENTS: Sql = Sql::both(
    "SELECT coalesce(member_id, '') AS member_id, data FROM events
     WHERE type = 'audience.milestone_reached' ORDER BY id",
);
const MORE: Sql = Sql::both(
    "UPDATE activity_days SET n = $2
     WHERE member_no = (SELECT member_no FROM engagement_members WHERE member_id = $1)",
);

async fn tell(db: &TestDb) -> Vec<(String, Value)> {
    db.enqueue(NewJob::of("default", &TellMilestones {}).unwrap()).await;
    db.drain(&Registry::of(FAMILIES)).await;
    told(db).await
}

async fn told(db: &TestDb) -> Vec<(String, Value)> {
    let rows: Vec<(String, String)> = db.rows(EVENTS, &[]).await;
    let read = |(member, data): (String, String)| (member, serde_json::from_str(&data).unwrap());
    rows.into_iter().map(read).collect()
}

fn settings(db: TestDb) -> TestDb {
    let milestones = Milestones { interactions: vec![10, 50, 100], members: vec![2, 5] };
    db.with_settings(|settings| settings.milestones = milestones)
}

const fn views(ago: i64, n: i64) -> Did {
    Did { ago, kind: 1, n, seconds: 0 }
}

both! {
    async fn a_member_is_told_of_once_for_each_milestone(db: TestDb) {
        let db = settings(db);
        let mut scoring = Scoring::default();
        scoring.kinds[3].counts_as_interaction = false;
        let world = Engaged::begin(&db, scoring).await;
        world.put(&Somebody::new("mem_1", &[views(0, 12)])).await;
        world.put(&Somebody::new("mem_2", &[views(1, 9), Did { kind: 3, ..views(0, 90) }])).await;
        world.put(&Somebody::new("mem_3", &[views(40, 90)])).await;
        world.put(&Somebody { deleted: true, ..Somebody::new("mem_4", &[views(0, 90)]) }).await;
        let reached = |member: &str, threshold: i64, value: i64| {
            (member.to_owned(), json!({"metric": "interactions", "threshold": threshold, "value": value}))
        };
        let mut expected = vec![reached("mem_1", 10, 12)];
        assert_eq!(tell(&db).await, expected);
        // Again; then fewer after a removal, and as many as before: that was told.
        for n in [12, 8, 12] {
            db.execute(MORE, args!["mem_1", n]).await;
            assert_eq!(tell(&db).await, expected);
        }
        // Two at once: the higher one is told, and both are reached.
        db.execute(MORE, args!["mem_1", 130]).await;
        expected.push(reached("mem_1", 100, 130));
        assert_eq!(tell(&db).await, expected);
        db.execute(MORE, args!["mem_1", 60]).await;
        assert_eq!(tell(&db).await, expected);
        assert_eq!(db.count("member_milestones").await, 3);
    }

    async fn an_audience_is_told_of_once_for_each_milestone(db: TestDb) {
        let db = settings(db);
        let figures = [("", 1), ("", 3), ("crt_a", 3), ("", 1), ("", 6), ("", 4), ("", 7)];
        for (creator, members) in figures {
            let mut tx = db.env.db.begin().await.unwrap();
            of_audience(&mut tx, &db.env, ("default", creator), members).await.unwrap();
            tx.commit().await.unwrap();
        }
        let told: Vec<_> = told(&db).await.into_iter().map(|(_, data)| data).collect();
        let reached = |creator: Option<&str>, threshold: i64, value: i64| {
            json!({"creator_id": creator, "metric": "members", "threshold": threshold, "value": value})
        };
        assert_eq!(told, [reached(None, 2, 3), reached(Some("crt_a"), 2, 3), reached(None, 5, 6)]);
    }
}
