//! Counts and times of deliveries.

use std::{collections::VecDeque, time::Duration};

use serde_json::{Value, json};

/// How many answer times are remembered.
const CAPACITY: usize = 100_000;

/// Everything that happened to deliveries since the last reset.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    /// Events made, whether or not anybody wants them.
    pub(crate) events: u64,
    /// Deliveries that shall arrive: one per event, endpoint and copy.
    pub(crate) planned: u64,
    /// Answered with 2xx.
    pub(crate) delivered: u64,
    /// Given up.
    pub(crate) failed: u64,
    /// Never sent (chaos or a fault).
    pub(crate) dropped: u64,
    /// Sent twice (chaos).
    pub(crate) duplicated: u64,
    /// Requests made.
    pub(crate) attempts: u64,
    /// Requests that did not end with 2xx.
    pub(crate) attempts_failed: u64,
    /// Why the last one did not.
    pub(crate) last_error: Option<String>,
    micros: VecDeque<u64>,
}

impl Stats {
    /// Deliveries that are neither done nor given up.
    pub(crate) fn pending(&self) -> u64 {
        self.planned.saturating_sub(self.delivered + self.failed)
    }

    /// Remembers how long the daemon took to answer.
    pub(crate) fn answered(&mut self, after: Duration) {
        if self.micros.len() == CAPACITY {
            self.micros.pop_front();
        }
        self.micros
            .push_back(u64::try_from(after.as_micros()).unwrap_or(u64::MAX));
    }

    /// Counts from zero; deliveries under way stay pending.
    pub(crate) fn reset(&mut self) {
        *self = Self {
            planned: self.pending(),
            ..Self::default()
        };
    }

    /// As the inspector shows it.
    pub(crate) fn json(&self) -> Value {
        let mut sorted: Vec<u64> = self.micros.iter().copied().collect();
        sorted.sort_unstable();
        json!({
            "events": self.events, "planned": self.planned, "delivered": self.delivered,
            "pending": self.pending(), "failed": self.failed, "dropped": self.dropped,
            "duplicated": self.duplicated, "attempts": self.attempts,
            "attempts_failed": self.attempts_failed, "last_error": self.last_error,
            "latency_ms": {
                "count": sorted.len(), "p50": percentile(&sorted, 50),
                "p90": percentile(&sorted, 90), "p99": percentile(&sorted, 99),
                "max": percentile(&sorted, 100),
            },
        })
    }
}

/// The value (in milliseconds) that `percent` of the sorted microseconds do not exceed: nearest
/// rank. `null` without values.
fn percentile(sorted: &[u64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    let micros = *sorted.get(rank - 1)?;
    Some(Duration::from_micros(micros).as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let micros: Vec<u64> = (1..=200).map(|n| n * 1_000).collect();
        let at = |percent| percentile(&micros, percent);
        assert_eq!(
            (at(50), at(99), at(100)),
            (Some(100.0), Some(198.0), Some(200.0))
        );
        assert_eq!(percentile(&[], 50), None);
        assert_eq!(percentile(&[7_000], 50), Some(7.0));
    }

    #[test]
    fn a_reset_keeps_what_is_under_way() {
        let mut stats = Stats {
            planned: 5,
            delivered: 3,
            events: 5,
            ..Stats::default()
        };
        stats.reset();
        assert_eq!((stats.pending(), stats.events, stats.delivered), (2, 0, 0));
    }
}
