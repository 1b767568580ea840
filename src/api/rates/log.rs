//! The exact count of what happened in the last minute.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// The window of every limit of the API.
pub(super) const WINDOW: Duration = Duration::from_mins(1);

/// When something happened, for as long as it counts. No window of a minute, wherever it begins, holds more than were
/// let in: a bucket that fills steadily would let in twice as many after a pause.
#[derive(Debug, Default)]
pub(super) struct Log(VecDeque<Instant>);

impl Log {
    /// How many count at `now`.
    pub(super) fn len(&mut self, now: Instant) -> usize {
        while self
            .0
            .front()
            .is_some_and(|first| now.saturating_duration_since(*first) >= WINDOW)
        {
            self.0.pop_front();
        }
        self.0.len()
    }

    /// Writes one down.
    pub(super) fn note(&mut self, now: Instant) {
        self.0.push_back(now);
    }

    /// How long until fewer than `quota` count; zero when it is so now.
    pub(super) fn wait(&mut self, quota: usize, now: Instant) -> Duration {
        let Some(surplus) = self.len(now).checked_sub(quota) else {
            return Duration::ZERO;
        };
        // With a quota of 0 there is never room; a minute is as good an answer as any.
        let frees = self.0.get(surplus).map_or(WINDOW, |at| {
            WINDOW.saturating_sub(now.saturating_duration_since(*at))
        });
        frees.min(WINDOW)
    }

    /// How long until the oldest that counts does not any more.
    pub(super) fn frees(&mut self, now: Instant) -> Duration {
        self.len(now);
        let oldest = self.0.front();
        oldest.map_or(Duration::ZERO, |at| {
            WINDOW.saturating_sub(now.saturating_duration_since(*at))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against the plain definition: count what was let in during the last minute.
        #[test]
        fn no_minute_sees_more_than_the_quota_and_nobody_waits_longer_than_needed(
            quota in 1_usize..8,
            pauses in prop::collection::vec(0_u64..30_000, 1..200),
        ) {
            let begin = Instant::now();
            let (mut log, mut let_in) = (Log::default(), Vec::new());
            let mut at = Duration::ZERO;
            for pause in pauses {
                at += Duration::from_millis(pause);
                let now = begin + at;
                let counts = |at: Duration| let_in.iter().filter(|it: &&Duration| at < **it + WINDOW).count();
                let wait = log.wait(quota, now);
                prop_assert_eq!(wait.is_zero(), counts(at) < quota);
                if wait.is_zero() {
                    log.note(now);
                    let_in.push(at);
                } else {
                    prop_assert!(counts(at + wait) < quota);
                    prop_assert!(counts((at + wait).saturating_sub(Duration::from_millis(1))) >= quota);
                }
                prop_assert!(log.len(now) <= quota);
            }
        }
    }
}
