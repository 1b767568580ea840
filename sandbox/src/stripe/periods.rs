//! When billing periods end.

use chrono::{DateTime, Months};
use serde_json::Value;

const DAY: i64 = 86_400;
/// Seconds in the shortest month, for a first guess that is never too late.
const LONGEST_MONTH: i64 = 31 * DAY;

/// A billing interval: a number of days or of months.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interval {
    /// Of exactly 86,400 seconds.
    Days(u32),
    /// Of the calendar (UTC).
    Months(u32),
}

impl Interval {
    /// The interval of a recurring price, monthly when it has none.
    pub(crate) fn of_price(price: &Value) -> Self {
        let recurring = &price["recurring"];
        let count = recurring["interval_count"]
            .as_u64()
            .and_then(|count| u32::try_from(count).ok());
        let count = count.unwrap_or(1).max(1);
        match recurring["interval"].as_str() {
            Some("day") => Self::Days(count),
            Some("week") => Self::Days(count.saturating_mul(7)),
            Some("year") => Self::Months(count.saturating_mul(12)),
            _ => Self::Months(count),
        }
    }

    /// The end of the `n`-th period after the anchor. Counted from the anchor each time, so that
    /// a subscription of the 31st comes back to the 31st after February.
    fn end(self, anchor: i64, n: u32) -> i64 {
        match self {
            Self::Days(days) => anchor + i64::from(days) * i64::from(n) * DAY,
            Self::Months(months) => DateTime::from_timestamp(anchor, 0)
                .and_then(|time| time.checked_add_months(Months::new(months.saturating_mul(n))))
                .map_or(i64::MAX, |time| time.timestamp()),
        }
    }

    /// The first period end after `second`, for periods that are counted from `anchor`.
    pub(crate) fn next(self, anchor: i64, second: i64) -> i64 {
        let longest = match self {
            Self::Days(days) => i64::from(days) * DAY,
            Self::Months(months) => i64::from(months) * LONGEST_MONTH,
        };
        let mut n = u32::try_from((second - anchor).max(0) / longest).unwrap_or(u32::MAX);
        while n < u32::MAX && self.end(anchor, n) <= second {
            n += 1;
        }
        self.end(anchor, n)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn second(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp()
    }

    #[test]
    fn the_31st_comes_back_after_february() {
        let anchor = second("2026-01-31T10:00:00Z");
        let february = Interval::Months(1).next(anchor, anchor);
        assert_eq!(february, second("2026-02-28T10:00:00Z"));
        assert_eq!(
            Interval::Months(1).next(anchor, february),
            second("2026-03-31T10:00:00Z")
        );
        assert_eq!(
            Interval::Months(12).next(anchor, anchor),
            second("2027-01-31T10:00:00Z")
        );
        assert_eq!(Interval::Days(7).next(anchor, anchor), anchor + 7 * DAY);
    }

    proptest! {
        #[test]
        fn the_end_is_after_the_second_and_within_one_interval(
            anchor in 1_600_000_000_i64..1_900_000_000, ahead in 0_i64..400_000_000, months in 1_u32..13
        ) {
            let end = Interval::Months(months).next(anchor, anchor + ahead);
            prop_assert!(end > anchor + ahead);
            prop_assert!(end - (anchor + ahead) <= i64::from(months) * LONGEST_MONTH);
        }
    }
}
