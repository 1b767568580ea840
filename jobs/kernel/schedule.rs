//! Cron expressions in local time, across daylight saving.
//!
//! An expression with a fixed hour means wall-clock time: a local time that does not exist on a day fires once, at the
//! first moment after the gap, and one that exists twice fires at its first occurrence only. An expression that names
//! no hour (`*` or a step) is an interval and keeps its pace through the change.

use std::str::FromStr;

use chrono::{DateTime, Duration, LocalResult, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;

use super::clock::Timestamp;

/// Longest daylight-saving gap; two hours on Antarctic stations.
const GAP_MINUTES_MAX: i64 = 180;

/// A cron expression in a time zone.
#[derive(Clone, Debug)]
pub struct Ticks {
    expression: cron::Schedule,
    zone: Tz,
    interval: bool,
}

/// Why a schedule was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The expression cannot be read.
    #[error("`{0}` is not a cron expression (seconds minutes hours days months weekdays): {1}")]
    Cron(String, String),
    /// The zone is not in the IANA database.
    #[error("`{0}` is not a time zone such as Europe/Berlin")]
    Zone(String),
}

impl Ticks {
    /// Reads an expression of six or seven fields, or the classic five (which start at minutes).
    ///
    /// # Errors
    /// When the expression or the zone cannot be read.
    pub fn parse(expression: &str, zone: &str) -> Result<Self, ScheduleError> {
        let fields: Vec<_> = expression.split_whitespace().collect();
        let full = if fields.len() == 5 {
            format!("0 {expression}")
        } else {
            expression.to_owned()
        };
        let hour = full
            .split_whitespace()
            .nth(2)
            .unwrap_or_default()
            .to_owned();
        Ok(Self {
            expression: cron::Schedule::from_str(&full)
                .map_err(|error| ScheduleError::Cron(expression.to_owned(), error.to_string()))?,
            zone: zone
                .parse()
                .map_err(|_| ScheduleError::Zone(zone.to_owned()))?,
            interval: hour.starts_with('*'),
        })
    }

    /// The first tick strictly after `after`; `None` when there is none any more.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let after = after.utc();
        let local = after.with_timezone(&self.zone);
        if self.interval {
            let offset = local.offset().fix();
            let next = self
                .expression
                .after(&after.with_timezone(&offset))
                .next()?;
            return Some(Timestamp(next.timestamp_millis()));
        }
        // Walk the wall clock, starting early enough that a repeated hour is not jumped over.
        let start = local.naive_local() - Duration::minutes(GAP_MINUTES_MAX);
        self.expression
            .after(&Utc.from_utc_datetime(&start))
            .map(|wall| self.instant(wall.naive_utc()))
            .find(|instant| *instant > after)
            .map(|instant| Timestamp(instant.timestamp_millis()))
    }

    /// The ticks from `first`, which is one, until `now`, oldest first, at most the `most` latest of them.
    pub fn missed(&self, first: Timestamp, now: Timestamp, most: usize) -> Vec<Timestamp> {
        let mut missed = vec![first];
        while let Some(tick) = self
            .next(missed[missed.len() - 1])
            .filter(|tick| *tick <= now)
        {
            if missed.len() == most {
                return self.latest(first, now, most);
            }
            missed.push(tick);
        }
        missed
    }

    /// Walks backwards, so that a downtime of years costs no more than `most` ticks. There are at least as many.
    fn latest(&self, first: Timestamp, now: Timestamp, most: usize) -> Vec<Timestamp> {
        let mut latest = Vec::with_capacity(most);
        let mut end = now.0;
        while latest.len() < most && end > first.0 {
            // The last moment whose next tick is not after `end`: bisection, as ticks only grow.
            let (mut low, mut high) = (first.0, end);
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                if self
                    .next(Timestamp(middle))
                    .is_some_and(|tick| tick.0 <= end)
                {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            let Some(tick) = self.next(Timestamp(low)).filter(|tick| tick.0 <= end) else {
                break;
            };
            latest.push(tick);
            end = tick.0 - 1;
        }
        latest.reverse();
        latest
    }

    /// The moment at which the wall clock first shows `wall`, or the end of the gap that swallows it.
    fn instant(&self, wall: NaiveDateTime) -> DateTime<Utc> {
        match self.zone.from_local_datetime(&wall) {
            LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => time.to_utc(),
            LocalResult::None => (1..=GAP_MINUTES_MAX)
                .map(|minutes| {
                    wall - Duration::seconds(wall.and_utc().timestamp() % 60)
                        + Duration::minutes(minutes)
                })
                .find_map(|later| self.zone.from_local_datetime(&later).earliest())
                .map_or_else(|| wall.and_utc(), |time| time.to_utc()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn walk(expression: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let ticks = Ticks::parse(expression, zone).unwrap();
        let mut now = at(from);
        let mut seen = Vec::new();
        for _ in 0..count {
            now = ticks.next(now).unwrap();
            seen.push(now.to_string());
        }
        seen
    }

    #[test]
    fn a_time_that_does_not_exist_fires_once_after_the_gap() {
        // Berlin jumps from 02:00 to 03:00 on 2026-03-29.
        assert_eq!(
            walk("0 30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3),
            [
                "2026-03-28T01:30:00Z",
                "2026-03-29T01:00:00Z",
                "2026-03-30T00:30:00Z"
            ]
        );
    }

    #[test]
    fn a_time_that_exists_twice_fires_once() {
        // Berlin goes back from 03:00 to 02:00 on 2026-10-25.
        assert_eq!(
            walk("0 30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
    }

    #[test]
    fn an_interval_keeps_its_pace() {
        let ticks = walk("0 */30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 5);
        assert_eq!(ticks[0], "2026-10-25T00:30:00Z");
        assert_eq!(ticks[4], "2026-10-25T02:30:00Z");
        let ticks = walk("0 */30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 4);
        assert_eq!(ticks[3], "2026-03-29T02:00:00Z");
    }

    #[test]
    fn five_fields_start_at_minutes_and_errors_name_the_text() {
        assert_eq!(
            walk("15 4 * * *", "UTC", "2026-01-01T00:00:00Z", 1),
            ["2026-01-01T04:15:00Z"]
        );
        assert!(
            Ticks::parse("often", "UTC")
                .unwrap_err()
                .to_string()
                .contains("`often`")
        );
        assert!(
            Ticks::parse("0 0 0 * * *", "Mars")
                .unwrap_err()
                .to_string()
                .contains("`Mars`")
        );
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(32))]

        #[test]
        fn the_latest_missed_ticks_are_those_of_a_full_walk(minutes in 1_i64..4_000, most in 1_usize..8) {
            let ticks = Ticks::parse("0 */7 1-4 * * *", "Europe/Berlin").unwrap();
            let first = ticks.next(at("2026-03-28T00:00:00Z")).unwrap();
            let now = Timestamp(first.0 + minutes * 60_000);
            let mut all = vec![first];
            while let Some(tick) = ticks.next(all[all.len() - 1]).filter(|tick| *tick <= now) {
                all.push(tick);
            }
            let expected = all.split_off(all.len().saturating_sub(most));
            proptest::prop_assert_eq!(ticks.missed(first, now, most), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn ticks_grow_and_repeat_for_the_same_question(start in 1_700_000_000_i64..1_900_000_000) {
            let ticks = Ticks::parse("0 15 2 * * *", "America/New_York").unwrap();
            let now = Timestamp::from_seconds(start);
            let next = ticks.next(now).unwrap();
            proptest::prop_assert!(next > now);
            proptest::prop_assert!(next.since(now).as_secs() <= 26 * 3600);
            proptest::prop_assert_eq!(ticks.next(now), Some(next));
        }
    }
}
