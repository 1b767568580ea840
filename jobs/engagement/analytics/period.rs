//! Periods of the calendar, as days and as moments. Pure.

use chrono::{Datelike as _, Days, Months, NaiveDate, TimeDelta, TimeZone as _};
use chrono_tz::Tz;

use crate::{engagement::Day, kernel::Timestamp};

/// The first of all days.
const EPOCH: Day = 0;
/// A quarter of an hour: clocks that skip midnight skip whole quarters.
const QUARTER: TimeDelta = TimeDelta::minutes(15);
/// How many quarters after midnight a day is looked for that begins later: one day in one zone was left out as a whole.
const QUARTERS_MAX: i32 = 2 * 24 * 4;

/// A period of the calendar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Period {
    /// One day.
    Day,
    /// Monday to Sunday.
    Week,
    /// A month of the calendar.
    #[default]
    Month,
    /// A year of the calendar.
    Year,
}

impl Period {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::Year];

    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// The first and the last day of the period in which a day is.
    fn around(self, day: NaiveDate) -> Option<(NaiveDate, NaiveDate)> {
        let (first, next) = match self {
            Self::Day => (day, day.checked_add_days(Days::new(1))),
            Self::Week => {
                let back = Days::new(day.weekday().num_days_from_monday().into());
                let first = day.checked_sub_days(back)?;
                (first, first.checked_add_days(Days::new(7)))
            }
            Self::Month => {
                let first = day.with_day(1)?;
                (first, first.checked_add_months(Months::new(1)))
            }
            Self::Year => {
                let first = NaiveDate::from_ymd_opt(day.year(), 1, 1)?;
                (first, first.checked_add_months(Months::new(12)))
            }
        };
        Some((first, next?.pred_opt()?))
    }
}

/// Days of the calendar, the last one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first one.
    pub from: Day,
    /// The last one.
    pub to: Day,
}

/// A period, and the one before it with which it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The period, up to today at the most.
    pub now: Span,
    /// As many days from the beginning of the period before, as far as that has them.
    pub before: Span,
}

impl Window {
    /// The period in which `date` is. `None` for days after `today`, and before 1970-01-02, before which there is no period.
    pub fn of(period: Period, date: NaiveDate, today: NaiveDate) -> Option<Self> {
        let (first, last) = period.around(date).filter(|_| EPOCH < number(date) && date <= today)?;
        let (first_before, last_before) = period.around(first.pred_opt()?)?;
        let now = Span { from: number(first), to: number(last.min(today)) };
        let from = number(first_before);
        let to = (from + now.to - now.from).min(number(last_before));
        Some(Self { now, before: Span { from, to } })
    }
}

/// The day's number.
pub fn number(date: NaiveDate) -> Day {
    date.to_epoch_days().into()
}

/// The day with this number; the first of all days where there is none.
pub fn date(day: Day) -> NaiveDate {
    let date = i32::try_from(day).ok().and_then(NaiveDate::from_epoch_days);
    date.unwrap_or_default()
}

/// The first moment of a day in a time zone.
pub fn begin(zone: Tz, day: Day) -> Timestamp {
    let midnight = date(day).and_time(chrono::NaiveTime::MIN);
    let begins = (0..QUARTERS_MAX)
        .filter_map(|quarters| midnight.checked_add_signed(QUARTER * quarters))
        .find_map(|local| zone.from_local_datetime(&local).earliest());
    let fallback = || midnight.and_utc().timestamp_millis();
    Timestamp(begins.map_or_else(fallback, |at| at.timestamp_millis()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engagement::local_day;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn window(period: Period, date: &str, today: &str) -> [String; 4] {
        let Window { now, before } = Window::of(period, day(date), day(today)).unwrap();
        [now.from, now.to, before.from, before.to].map(|day| super::date(day).to_string())
    }

    #[test]
    fn a_period_ends_today_and_is_compared_with_as_many_days() {
        let today = "2026-03-18";
        let is = |period, date, expected: [&str; 4]| assert_eq!(window(period, date, today), expected);
        is(Period::Day, today, [today, today, "2026-03-17", "2026-03-17"]);
        is(Period::Week, today, ["2026-03-16", today, "2026-03-09", "2026-03-11"]);
        is(Period::Month, today, ["2026-03-01", today, "2026-02-01", "2026-02-18"]);
        is(Period::Year, today, ["2026-01-01", today, "2025-01-01", "2025-03-18"]);
        // Periods that are over are whole; the one before may have fewer days.
        is(Period::Week, "2026-03-15", ["2026-03-09", "2026-03-15", "2026-03-02", "2026-03-08"]);
        is(Period::Month, "2026-02-28", ["2026-02-01", "2026-02-28", "2026-01-01", "2026-01-28"]);
        is(Period::Month, "2025-03-01", ["2025-03-01", "2025-03-31", "2025-02-01", "2025-02-28"]);
        assert_eq!(Window::of(Period::Year, day("2026-03-19"), day(today)), None);
    }

    #[test]
    fn a_day_begins_later_where_clocks_skip_midnight() {
        let cases = [
            (chrono_tz::UTC, "2026-01-15", "2026-01-15T00:00:00Z"),
            (chrono_tz::America::New_York, "2026-07-01", "2026-07-01T04:00:00Z"),
            (chrono_tz::Asia::Beirut, "2026-03-29", "2026-03-28T22:00:00Z"),
            (chrono_tz::Pacific::Apia, "2011-12-30", "2011-12-30T10:00:00Z"),
        ];
        for (zone, date, expected) in cases {
            assert_eq!(begin(zone, number(day(date))).to_string(), expected, "{zone} {date}");
        }
    }

    proptest! {
        #[test]
        fn a_day_is_what_lies_between_two_beginnings(
            zone in proptest::sample::select(&chrono_tz::TZ_VARIANTS[..]), day in 0_i64..30_000, share in 0.0..1.0,
        ) {
            let (from, to) = (begin(zone, day), begin(zone, day + 1));
            prop_assume!(to > from);
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a part of a day")]
            let at = from.0 + ((to.0 - from.0) as f64 * share) as i64;
            // An hour that comes twice may belong to the day before a second time.
            let is = local_day(zone, Timestamp(at));
            prop_assert!(is == day || (is == day - 1 && at - from.0 <= 3_600_000), "{is} and {day}");
        }

        #[test]
        fn periods_hold_their_day_and_follow_one_another(
            period in proptest::sample::select(&Period::ALL[..]), day in 400_i64..30_000,
        ) {
            let today = date(day);
            let (first, last) = period.around(today).unwrap();
            prop_assert!(first <= today && today <= last);
            let after = period.around(last.succ_opt().unwrap()).unwrap();
            prop_assert_eq!(after.0, last.succ_opt().unwrap());
            let window = Window::of(period, today, today).unwrap();
            prop_assert_eq!(window.now.to, day);
            prop_assert!(window.before.to < window.now.from);
            prop_assert!(window.before.to - window.before.from <= window.now.to - window.now.from);
        }
    }
}
