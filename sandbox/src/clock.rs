//! The virtual clock: what time it is in the outside world.

use std::time::{Duration, UNIX_EPOCH};

use chrono::DateTime;

/// Where the clock takes its time from before the offset is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    /// The machine's time.
    System,
    /// Stands still at this second; only [`Clock::advance_to`] moves it.
    Frozen(i64),
}

/// Real time plus an offset, in whole seconds since 1970 (UTC). It never runs backwards.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    base: Base,
    offset: i64,
    latest: i64,
}

impl Clock {
    /// A clock that runs with real time, `offset` seconds away from it.
    pub(crate) fn system(offset: i64) -> Self {
        Self {
            base: Base::System,
            offset,
            latest: i64::MIN,
        }
    }

    /// A clock that stands still at `second` until it is moved.
    pub(crate) fn frozen(second: i64) -> Self {
        Self {
            base: Base::Frozen(second),
            offset: 0,
            latest: i64::MIN,
        }
    }

    /// The virtual second it is now.
    pub(crate) fn now(&mut self) -> i64 {
        self.latest = self.latest.max(self.base_now().saturating_add(self.offset));
        self.latest
    }

    /// Moves the clock forward to `second`; a second that is already over changes nothing.
    pub(crate) fn advance_to(&mut self, second: i64) {
        if second > self.now() {
            self.offset = second.saturating_sub(self.base_now());
            self.latest = second;
        }
    }

    /// Virtual time minus base time, in seconds.
    pub(crate) fn offset(&self) -> i64 {
        self.offset
    }

    /// Whether the clock only moves when told.
    pub(crate) fn is_frozen(&self) -> bool {
        matches!(self.base, Base::Frozen(_))
    }

    fn base_now(&self) -> i64 {
        match self.base {
            Base::System => real_seconds(),
            Base::Frozen(second) => second,
        }
    }
}

/// The machine's time in seconds since 1970. Signatures use it, because receivers compare it with
/// their own clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place of the sandbox that reads real time"
)]
pub(crate) fn real_seconds() -> i64 {
    let since = std::time::SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// The HTTP `Date` header for a second (RFC 9110, IMF-fixdate).
pub(crate) fn http_date(second: i64) -> String {
    DateTime::from_timestamp(second, 0)
        .unwrap_or_default()
        .format("%a, %d %b %Y %H:%M:%S GMT")
        .to_string()
}

/// RFC 3339 in UTC, for people who read the inspector.
pub(crate) fn rfc3339(second: i64) -> String {
    DateTime::from_timestamp(second, 0)
        .unwrap_or_default()
        .format("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_clock_moves_only_when_told_and_never_back() {
        let mut clock = Clock::frozen(1_000);
        assert_eq!(clock.now(), 1_000);
        clock.advance_to(1_500);
        clock.advance_to(1_200);
        assert_eq!((clock.now(), clock.offset()), (1_500, 500));
    }

    #[test]
    fn http_dates_are_imf_fixdate() {
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
