//! What changes by the clock alone is written down on time, once.

use std::time::Duration;

use super::subscription;
use crate::{
    FAMILIES, both,
    entitlements::{ApplyChanges, CLOCK_STEP_MAX, SubscriptionFacts, derive},
    kernel::{Registry, Timestamp, db::Sql, millis, outbox::NewJob},
    members::{
        NewMember,
        store::{horizon, insert_many, lock},
    },
    testing::{Drained, TestDb},
};

/// A member of the test's organization.
pub(super) async fn member(db: &TestDb) -> String {
    let new = NewMember {
        organization_id: "default".to_owned(),
        email: None,
        name: None,
        joined_at: db.now(),
    };
    let mut tx = db.db.begin().await.unwrap();
    let id = db.id("mem");
    insert_many(&mut tx, db, &[(id.clone(), new)]).await.unwrap();
    tx.commit().await.unwrap();
    id
}

/// Tells what Stripe says of her subscriptions.
pub(super) async fn told(db: &TestDb, member: &str, subscriptions: &[SubscriptionFacts]) {
    let mut tx = db.db.begin().await.unwrap();
    let before = lock(&mut tx, "default", member).await.unwrap().unwrap();
    derive(&mut tx, db, "default", &[(before, subscriptions.to_vec())]).await.unwrap();
    tx.commit().await.unwrap();
}

/// The job of the schedule.
pub(super) async fn tick(db: &TestDb) -> Drained {
    db.enqueue(NewJob::of("default", &ApplyChanges {}).unwrap()).await;
    db.drain(&Registry::of(FAMILIES)).await
}

async fn status(db: &TestDb, member: &str) -> String {
    let mut tx = db.db.begin().await.unwrap();
    let status = lock(&mut tx, "default", member).await.unwrap().unwrap().status;
    // Dropped, it would hold its lock a little longer, and the job leaves out whoever is locked.
    tx.commit().await.unwrap();
    status
}

/// The types of the events about her, in their order.
pub(super) async fn events(db: &TestDb) -> Vec<String> {
    let sql = Sql::both("SELECT type FROM events ORDER BY id");
    let rows: Vec<(String,)> = db.rows(sql, &[]).await;
    rows.into_iter().map(|row| row.0.trim_start_matches("audience.").to_owned()).collect()
}

fn ends_at(at: Timestamp) -> SubscriptionFacts {
    let mut sub = subscription("active");
    sub.cancel_at = Some(at);
    sub
}

both! {
    async fn a_cancellation_takes_effect_by_our_clock_without_an_event(db: TestDb) {
        let member = member(&db).await;
        told(&db, &member, &[ends_at(db.now().plus(Duration::from_secs(90)))]).await;
        assert_eq!(status(&db, &member).await, "active");
        assert_eq!(tick(&db).await.completed, 1);
        db.advance(Duration::from_mins(1));
        // The next change is near, so the job comes back for it and not a minute later.
        assert_eq!(tick(&db).await.snoozed, 1);
        db.advance(Duration::from_millis(29_999));
        assert_eq!(db.drain(&Registry::of(FAMILIES)).await.completed, 0);
        assert_eq!(status(&db, &member).await, "active");
        db.advance(Duration::from_millis(1));
        assert_eq!(db.drain(&Registry::of(FAMILIES)).await.completed, 1);
        assert_eq!(status(&db, &member).await, "churned");
        for _ in 0..2 {
            tick(&db).await;
        }
        assert_eq!(events(&db).await, ["member_upgraded", "access_changed", "member_churned", "access_changed"]);
    }

    async fn a_late_event_about_what_the_clock_has_done_says_nothing_again(db: TestDb) {
        let member = member(&db).await;
        let end = db.now().plus(Duration::from_secs(90));
        told(&db, &member, &[ends_at(end)]).await;
        db.advance(Duration::from_mins(3));
        tick(&db).await;
        let mut canceled = subscription("canceled");
        canceled.ended_at = Some(end);
        told(&db, &member, &[canceled]).await;
        tick(&db).await;
        assert_eq!(events(&db).await, ["member_upgraded", "access_changed", "member_churned", "access_changed"]);
    }

    async fn after_a_downtime_all_that_was_due_is_done(db: TestDb) {
        let mut members = Vec::new();
        for number in 0..450 {
            let member = member(&db).await;
            told(&db, &member, &[ends_at(db.now().plus(Duration::from_secs(60 + number)))]).await;
            members.push(member);
        }
        db.advance(Duration::from_hours(24 * 40));
        assert_eq!(tick(&db).await.completed, 1);
        assert_eq!(db.count("members WHERE status = 'churned' AND changes_at IS NULL").await, 450);
        assert_eq!(db.count("events WHERE type = 'audience.member_churned'").await, 450);
        assert_eq!(horizon(&db.db).await.unwrap().next_change, None);
    }

    async fn a_clock_that_steps_back_a_little_undoes_nothing(db: TestDb) {
        let member = member(&db).await;
        let sub = ends_at(db.now().plus(Duration::from_mins(10)));
        told(&db, &member, std::slice::from_ref(&sub)).await;
        db.advance(Duration::from_mins(10));
        tick(&db).await;
        let seen = events(&db).await;
        db.clock.set(Timestamp(db.now().0 - millis(CLOCK_STEP_MAX)));
        told(&db, &member, &[sub]).await;
        tick(&db).await;
        assert_eq!((status(&db, &member).await.as_str(), events(&db).await), ("churned", seen));
    }

    async fn a_clock_that_was_far_ahead_is_believed_once_it_is_right(db: TestDb) {
        let member = member(&db).await;
        let right = db.now();
        told(&db, &member, &[ends_at(right.plus(Duration::from_hours(48)))]).await;
        db.advance(Duration::from_hours(24 * 365));
        tick(&db).await;
        assert_eq!(status(&db, &member).await, "churned");
        db.clock.set(right);
        tick(&db).await;
        assert_eq!(status(&db, &member).await, "active");
        db.advance(Duration::from_hours(48));
        tick(&db).await;
        assert_eq!(status(&db, &member).await, "churned");
        assert_eq!(db.count("events WHERE type = 'audience.member_churned'").await, 2);
    }
}
