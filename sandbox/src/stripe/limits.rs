//! Rate limits: one bucket per account and direction, as Stripe counts.

use tokio::time::Instant;

/// Stripe's limit in live mode, per second and direction.
const DEFAULT_RATE: u32 = 100;

/// Reading or writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// `GET`
    Read,
    /// `POST`, `DELETE`
    Write,
}

/// A bucket that holds one second's worth of requests and refills evenly.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    per_second: u32,
    tokens: f64,
    filled: Option<Instant>,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn new(per_second: u32) -> Self {
        Self {
            per_second,
            tokens: f64::from(per_second),
            filled: None,
        }
    }

    /// Requests per second.
    pub(crate) fn per_second(&self) -> u32 {
        self.per_second
    }

    /// Takes one request out; `false` when none is left.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let rate = f64::from(self.per_second);
        let since = self.filled.map_or(0.0, |then| {
            now.saturating_duration_since(then).as_secs_f64()
        });
        self.filled = Some(now);
        self.tokens = (self.tokens + since * rate).min(rate);
        let there = self.tokens >= 1.0;
        if there {
            self.tokens -= 1.0;
        }
        there
    }
}

/// The budgets of one account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// For `GET`.
    pub(crate) read: Bucket,
    /// For everything else.
    pub(crate) write: Bucket,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            read: Bucket::new(DEFAULT_RATE),
            write: Bucket::new(DEFAULT_RATE),
        }
    }
}

impl Limits {
    /// Takes one request of a direction.
    pub(crate) fn take(&mut self, direction: Direction, now: Instant) -> bool {
        match direction {
            Direction::Read => self.read.take(now),
            Direction::Write => self.write.take(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_gives_its_rate_and_refills_evenly() {
        let (mut bucket, start) = (Bucket::new(10), Instant::now());
        assert_eq!((0..50).filter(|_| bucket.take(start)).count(), 10);
        let half = start + Duration::from_millis(500);
        assert_eq!((0..50).filter(|_| bucket.take(half)).count(), 5);
        let much_later = start + Duration::from_mins(1);
        assert_eq!((0..50).filter(|_| bucket.take(much_later)).count(), 10);
    }
}
