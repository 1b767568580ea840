//! Days that ended, and what was unusual: on both databases, and on simulated rhythms.

use std::time::Duration;

use proptest::prelude::*;
use rand::{SeedableRng as _, rngs::StdRng};
use serde_json::Value;

use super::{
    SnapshotDays, series,
    unusual::{Direction, Rhythm, Said},
};
use crate::{
    FAMILIES, args, both,
    engagement::Day,
    kernel::{Registry, db::Sql, outbox::NewJob, scoring::Scoring},
    testing::{
        TestDb,
        engaged::{Did, Engaged, Somebody, TODAY, days_ago},
    },
};

const EVENTS: Sql =
    Sql::both("SELECT data FROM events WHERE type = 'audience.engagement_alert' ORDER BY id");
const ACTIVITY: Sql = Sql::both(
    "INSERT INTO audience_activity (audience_no, day, kind, n, seconds)
     SELECT audience_no, $1, 2, $2, 0 FROM audiences WHERE creator_id = ''",
);
const VIENNA: Sql = Sql::both("UPDATE creators SET time_zone = 'Europe/Vienna' WHERE id = 'crt_a'");
const DAY: Duration = Duration::from_hours(24);

async fn close(db: &TestDb) {
    db.enqueue(NewJob::of("default", &SnapshotDays {}).unwrap()).await;
    db.drain(&Registry::of(FAMILIES)).await;
}

fn views(ago: i64, n: i64) -> Did {
    Did { ago, kind: 1, n, seconds: 0 }
}

both! {
    async fn each_day_is_closed_once_when_it_is_over_where_the_creator_is(db: TestDb) {
        let world = Engaged::begin(&db, Scoring::default()).await;
        world.put(&Somebody::new("mem_1", &[views(0, 9), views(1, 5), views(2, 3)])).await;
        let hers = [views(0, 7), views(1, 2)];
        world.put(&Somebody { creator: Some("crt_a".to_owned()), ..Somebody::new("mem_2", &hers) }).await;
        world.put(&Somebody { deleted: true, ..Somebody::new("mem_3", &[views(1, 4)]) }).await;
        db.execute(VIENNA, &[]).await;
        close(&db).await;
        close(&db).await;
        let days = series(&db.db, "default", "", 0, TODAY).await.unwrap();
        let [day] = days[..] else { panic!("{days:?}") };
        assert_eq!((day.day, day.members, day.active, day.interactions), (TODAY - 1, 2, 2, 7));
        assert_eq!(day.superfans + day.engaged + day.casual + day.inactive, day.members);
        let of_a = series(&db.db, "default", "crt_a", 0, TODAY).await.unwrap();
        assert_eq!((of_a.len(), of_a[0].members, of_a[0].interactions), (1, 1, 2));
        // At half past eleven in the evening of UTC it is the next day in Vienna only.
        db.advance(Duration::from_hours(13));
        close(&db).await;
        for (creator, closed) in [("", 1), ("crt_a", 2)] {
            assert_eq!(series(&db.db, "default", creator, 0, TODAY).await.unwrap().len(), closed);
        }
    }

    async fn an_alert_opens_on_the_second_unusual_day_and_is_resolved_once(db: TestDb) {
        let world = Engaged::begin(&db, Scoring::default()).await;
        world.put(&Somebody::new("mem_1", &[views(80, 500)])).await;
        // Four days fall to half; before and after them all is as usual.
        for day in TODAY - 79..TODAY + 5 {
            let n = if (TODAY - 3..=TODAY).contains(&day) { 250 } else { 500 };
            db.execute(ACTIVITY, args![day, n]).await;
        }
        db.clock.set(days_ago(3));
        let mut told = Vec::new();
        for _ in 0..8 {
            close(&db).await;
            db.advance(DAY);
            let rows: Vec<(String,)> = db.rows(EVENTS, &[]).await;
            told.push(rows.len());
        }
        assert_eq!(told, [0, 0, 1, 1, 1, 2, 2, 2]);
        let rows: Vec<(String,)> = db.rows(EVENTS, &[]).await;
        let expected = [("opened", "2026-01-13", 250), ("resolved", "2026-01-16", 500)];
        for ((data,), (state, day, n)) in rows.iter().zip(expected) {
            let event: Value = serde_json::from_str(data).unwrap();
            assert_eq!((&event["state"], &event["day"]), (&state.into(), &day.into()), "{event}");
            assert_eq!((&event["direction"], &event["opened_on"]), (&"drop".into(), &"2026-01-13".into()));
            assert_eq!((&event["interactions"], &event["usual"]), (&n.into(), &500.0.into()));
        }
        assert_eq!(db.count("engagement_alerts WHERE resolved_day IS NULL").await, 0);
    }
}

const MIN_DAILY: i64 = 100;

/// How much of what they do people do on each day of the week.
const WEEK: [f64; 7] = [1.15, 1.0, 0.95, 1.0, 1.1, 0.9, 0.9];

/// Days of an audience that grows by 0.08 % a day. They spread more than chance alone would make them, because people come in
/// groups: the variance is 1.6 times the mean.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "invented counts")]
fn rhythm(rng: &mut StdRng, daily: f64, days: Day) -> Rhythm {
    let mut on = |day: Day| {
        let mean = daily * WEEK[usize::try_from(day % 7).unwrap()] * (0.0008 * day as f64).exp();
        // A sum of twelve is near enough to a normal distribution.
        let normal = (0..12).map(|_| rng.random_range(0.0..1.0)).sum::<f64>() - 6.0;
        (day, normal.mul_add((1.6 * mean).sqrt(), mean).round().max(0.0) as i64)
    };
    Rhythm { first: Some(0), daily: (0..days).map(&mut on).collect() }
}

/// The days on which an alert would open.
fn opened(rhythm: &Rhythm, from: Day, to: Day) -> Vec<Day> {
    let (mut open, mut opened) = (None, Vec::new());
    for day in from..to {
        let said = rhythm.says(day, MIN_DAILY).map(|(_, said)| said);
        open = open.filter(|direction| said.and_then(Said::direction) == Some(*direction));
        if let Some(Said::Alert(direction)) = said
            && open.is_none()
        {
            open = Some(direction);
            opened.push(day);
        }
    }
    opened
}

/// A hundred audiences over two years.
#[test]
fn false_alarms_are_rare_and_a_week_at_half_is_found() {
    let (mut alarms, mut found) = (0, 0);
    let mut rng = StdRng::seed_from_u64(3);
    for daily in [200.0, 2_000.0] {
        for _ in 0..50 {
            let mut rhythm = rhythm(&mut rng, daily, 800);
            alarms += opened(&rhythm, 70, 800).len();
            for day in 400..407 {
                *rhythm.daily.get_mut(&day).unwrap() /= 2;
            }
            let days = opened(&rhythm, 398, 407);
            found += usize::from(days.iter().any(|day| (400..407).contains(day)));
        }
    }
    assert!(alarms <= 10, "{alarms} false alarms in 200 years of an audience");
    assert!(found >= 98, "{found} of 100 found");
    let small: usize = (0..50).map(|_| opened(&rhythm(&mut rng, 20.0, 400), 70, 400).len()).sum();
    assert_eq!(small, 0, "small audiences are left alone");
}

proptest! {
    #[test]
    fn an_alert_needs_two_days_in_one_direction_and_eight_weeks_before(
        days in proptest::collection::vec(0_i64..3_000, 90..120),
    ) {
        let daily = (0..).zip(days.iter().copied()).collect();
        let rhythm = Rhythm { first: Some(0), daily };
        for day in 0..i64::try_from(days.len()).unwrap() {
            let direction = |day| rhythm.judge(day, MIN_DAILY).and_then(|judged| judged.direction);
            match rhythm.says(day, MIN_DAILY) {
                Some((_, Said::Alert(of))) => {
                    prop_assert_eq!((direction(day), direction(day - 1)), (Some(of), Some(of)));
                }
                Some((judged, Said::Perhaps(of))) => {
                    prop_assert_eq!(direction(day), Some(of));
                    let less = f64::from(i32::try_from(judged.interactions).unwrap()) < judged.usual;
                    prop_assert_eq!(less, of == Direction::Drop);
                }
                Some((_, Said::Usual)) => prop_assert_eq!(direction(day), None),
                None => prop_assert_eq!(direction(day), None),
            }
            prop_assert!(day >= 56 || rhythm.says(day, MIN_DAILY).is_none());
        }
    }
}
