//! Each tick fires once, on any number of nodes, also after a downtime.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::{
    both,
    kernel::{
        CatchUp, Timestamp,
        queue::schedules::{Row, Wanted, all, declare, fire_due, run_now, set_paused},
        test_jobs::{jobs, registry},
    },
    testing::TestDb,
};

const HOUR: Duration = Duration::from_hours(1);
const MOMENT: Duration = Duration::from_millis(1);

fn hourly(catch_up: CatchUp) -> Wanted {
    Wanted {
        name: "test.hourly_tick".to_owned(),
        kind: "test.plain".to_owned(),
        args: "{\"key\":\"tick\"}".to_owned(),
        cron: "0 0 * * * *".to_owned(),
        timezone: "UTC".to_owned(),
        catch_up,
        enabled: true,
    }
}

async fn fire(db: &TestDb) -> usize {
    fire_due(db, &registry()).await.unwrap()
}

async fn row(db: &TestDb) -> Row {
    all(&db.db).await.unwrap().remove(0)
}

fn at(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text)
}

/// Pauses or resumes; answers whether it is paused then.
async fn pause(db: &TestDb, name: &str, paused: bool) -> bool {
    let mut tx = db.env.db.begin().await.unwrap();
    let row = set_paused(&mut tx, name, paused, db.now()).await.unwrap();
    tx.commit().await.unwrap();
    row.unwrap().paused_at.is_some()
}

both! {
    async fn a_tick_fires_when_it_is_due_and_only_once(db: TestDb) {
        declare(&db.db, &[hourly(CatchUp::One)], db.now()).await.unwrap();
        assert_eq!(row(&db).await.next_due, at("2026-01-15T11:00:00Z"));
        db.advance(Duration::from_millis(30 * 60 * 1000 - 1));
        assert_eq!(fire(&db).await, 0);
        db.advance(MOMENT);
        assert_eq!((fire(&db).await, fire(&db).await), (1, 0));
        let row = row(&db).await;
        assert_eq!((row.last_due, row.next_due), (at("2026-01-15T11:00:00Z"), at("2026-01-15T12:00:00Z")));
        assert_eq!(row.last_job_id, Some(jobs(&db).await[0].id.clone()));
    }

    async fn nodes_that_fire_at_once_make_one_job_per_tick(db: TestDb) {
        declare(&db.db, &[hourly(CatchUp::One)], db.now()).await.unwrap();
        let nodes = [db.node().await, db.node().await, db.node().await];
        for tick in 1..=10 {
            db.advance(HOUR);
            let mut firing = JoinSet::new();
            for node in &nodes {
                let node = node.clone();
                firing.spawn(async move { fire_due(&node, &registry()).await.unwrap() });
            }
            assert_eq!(firing.join_all().await.iter().sum::<usize>(), 1, "tick {tick}");
        }
        assert_eq!(jobs(&db).await.len(), 10);
    }

    async fn a_clock_that_jumps_fires_no_tick_twice(db: TestDb) {
        declare(&db.db, &[hourly(CatchUp::One)], db.now()).await.unwrap();
        let fired_at = async |text: &str| {
            db.clock.set(at(text).unwrap());
            fire(&db).await
        };
        assert_eq!(fired_at("2026-01-15T11:00:00Z").await, 1);
        // Back by two hours, and the same way once more.
        for text in ["2026-01-15T09:00:00Z", "2026-01-15T10:00:00Z", "2026-01-15T11:00:00Z", "2026-01-15T11:59:59Z"] {
            assert_eq!(fired_at(text).await, 0, "{text}");
        }
        assert_eq!(fired_at("2026-01-15T12:00:00Z").await, 1);
        // Forward by three days, which looks like a downtime, and back: what was caught up does not come again.
        assert_eq!(fired_at("2026-01-18T12:30:00Z").await, 1);
        assert_eq!(fired_at("2026-01-15T13:00:00Z").await, 0);
        assert_eq!(fired_at("2026-01-18T12:59:59Z").await, 0);
        assert_eq!(fired_at("2026-01-18T13:00:00Z").await, 1);
        assert_eq!(jobs(&db).await.len(), 4);
    }

    async fn a_night_with_a_clock_change_fires_once_like_any_other(db: TestDb) {
        // In 2026 Berlin has no 02:30 on 29 March and two on 25 October.
        let nightly = Wanted {
            cron: "0 30 2 * * *".to_owned(),
            timezone: "Europe/Berlin".to_owned(),
            ..hourly(CatchUp::All)
        };
        let nodes = [db.node().await, db.node().await];
        let mut nights = 0;
        for (from, until) in [
            ("2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z"),
            ("2026-10-24T00:00:00Z", "2026-10-27T00:00:00Z"),
        ] {
            db.clock.set(at(from).unwrap());
            declare(&db.db, &[], db.now()).await.unwrap();
            declare(&db.db, std::slice::from_ref(&nightly), db.now()).await.unwrap();
            while db.now() < at(until).unwrap() {
                for node in &nodes {
                    fire_due(node, &registry()).await.unwrap();
                }
                db.advance(HOUR / 4);
            }
            nights += 3;
            assert_eq!(jobs(&db).await.len(), nights, "until {until}");
        }
    }

    async fn after_a_downtime_one_fires_for_all_or_each_or_none(db: TestDb) {
        for (catch_up, expected) in [(CatchUp::One, 1), (CatchUp::All, 5), (CatchUp::None, 0)] {
            declare(&db.db, &[], db.now()).await.unwrap();
            declare(&db.db, &[hourly(catch_up)], db.now()).await.unwrap();
            db.advance(HOUR * 5);
            assert_eq!(fire(&db).await, expected, "{catch_up:?}");
            assert_eq!(fire(&db).await, 0, "{catch_up:?}");
            db.advance(HOUR);
            assert_eq!(fire(&db).await, 1, "{catch_up:?}: the next tick is on time");
        }
    }

    async fn a_downtime_of_years_costs_no_more_than_the_ticks_that_fire(db: TestDb) {
        for (catch_up, expected) in [(CatchUp::One, 1), (CatchUp::All, 100), (CatchUp::None, 0)] {
            let each_second = Wanted { cron: "* * * * * *".to_owned(), ..hourly(catch_up) };
            declare(&db.db, &[], db.now()).await.unwrap();
            declare(&db.db, &[each_second], db.now()).await.unwrap();
            db.advance(HOUR * 24 * 365 * 3);
            assert_eq!(fire(&db).await, expected, "{catch_up:?}");
            assert_eq!(row(&db).await.next_due, Some(db.now().plus(Duration::from_secs(1))));
        }
    }

    async fn a_restart_keeps_what_is_due_and_an_edited_expression_does_not(db: TestDb) {
        declare(&db.db, &[hourly(CatchUp::One)], db.now()).await.unwrap();
        db.advance(HOUR);
        declare(&db.db, &[hourly(CatchUp::One)], db.now()).await.unwrap();
        assert_eq!(row(&db).await.next_due, at("2026-01-15T11:00:00Z"), "missed, not forgotten");
        let edited = Wanted { cron: "0 45 * * * *".to_owned(), ..hourly(CatchUp::One) };
        declare(&db.db, &[edited], db.now()).await.unwrap();
        assert_eq!(row(&db).await.next_due, at("2026-01-15T11:45:00Z"));
        assert_eq!(fire(&db).await, 0);
        let moved = Wanted { timezone: "Asia/Kolkata".to_owned(), ..hourly(CatchUp::One) };
        declare(&db.db, &[moved], db.now()).await.unwrap();
        assert_eq!(row(&db).await.next_due, at("2026-01-15T12:30:00Z"), "half an hour off UTC's");
    }

    async fn a_paused_schedule_stays_silent_and_does_not_catch_up(db: TestDb) {
        declare(&db.db, &[hourly(CatchUp::All)], db.now()).await.unwrap();
        assert!(pause(&db, "test.hourly_tick", true).await);
        db.advance(HOUR * 3);
        assert_eq!(fire(&db).await, 0);
        declare(&db.db, &[hourly(CatchUp::All)], db.now()).await.unwrap();
        assert_eq!(fire(&db).await, 0, "a restart does not resume it");
        assert!(!pause(&db, "test.hourly_tick", false).await);
        assert_eq!(fire(&db).await, 0);
        db.advance(HOUR);
        assert_eq!(fire(&db).await, 1);
        let mut tx = db.env.db.begin().await.unwrap();
        assert!(set_paused(&mut tx, "test.nothing", true, db.now()).await.unwrap().is_none());
    }

    async fn a_schedule_switched_off_or_removed_stays_silent(db: TestDb) {
        let off = Wanted { enabled: false, ..hourly(CatchUp::One) };
        declare(&db.db, &[off], db.now()).await.unwrap();
        db.advance(HOUR);
        assert_eq!(fire(&db).await, 0);
        declare(&db.db, &[], db.now()).await.unwrap();
        assert!(all(&db.db).await.unwrap().is_empty());
    }

    async fn an_unknown_kind_and_unfit_arguments_cost_the_tick_and_nothing_else(db: TestDb) {
        let unknown = Wanted { kind: "test.nothing".to_owned(), name: "test.a".to_owned(), ..hourly(CatchUp::One) };
        let unfit = Wanted { args: "{\"who\":1}".to_owned(), name: "test.b".to_owned(), ..hourly(CatchUp::One) };
        declare(&db.db, &[unknown, unfit, hourly(CatchUp::One)], db.now()).await.unwrap();
        db.advance(HOUR);
        assert_eq!(fire(&db).await, 1);
        assert_eq!(fire(&db).await, 0);
        assert_eq!(jobs(&db).await.len(), 1);
    }

    async fn a_schedule_runs_now_and_keeps_its_next_tick(db: TestDb) {
        declare(&db.db, &[hourly(CatchUp::One)], db.now()).await.unwrap();
        let mut tx = db.env.db.begin().await.unwrap();
        let job = run_now(&mut tx, &db, &registry(), "test.hourly_tick").await.unwrap();
        assert_eq!(run_now(&mut tx, &db, &registry(), "test.nothing").await.unwrap(), None);
        tx.commit().await.unwrap();
        assert_eq!(job, Some(jobs(&db).await[0].id.clone()));
        assert_eq!(row(&db).await.next_due, at("2026-01-15T11:00:00Z"));
    }

    async fn a_job_that_folds_by_its_own_key_fires_once_for_many_ticks(db: TestDb) {
        let live = Wanted { kind: "test.live".to_owned(), ..hourly(CatchUp::All) };
        declare(&db.db, &[live], db.now()).await.unwrap();
        db.advance(HOUR * 5);
        fire(&db).await;
        assert_eq!(jobs(&db).await.len(), 1);
    }
}
