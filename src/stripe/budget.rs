//! How many requests may be sent to one account in one direction, so that the checkout traffic of the same account
//! survives a backfill. When Stripe itself asks for less, it becomes less, and grows back slowly.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep};

/// The longest that a caller is kept waiting; with more to wait it goes away and comes back. However small the rate has
/// become, one request is let through in this time, because a longer wait would send everybody away.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// What the bucket holds at the most, as the time in which it fills.
const BURST: Duration = Duration::from_secs(1);

/// The whole rate, in thousandths.
const WHOLE: u32 = 1_000;

/// The least that is left of the rate, in thousandths, however often Stripe refuses.
const LEAST: u32 = 50;

/// Refusals within this time are one: they answer requests that were under way together.
const SLOWED_ONCE: Duration = Duration::from_secs(1);

/// How long the rate takes to grow from nothing to the whole again.
const RECOVERY: Duration = Duration::from_mins(2);

/// A token bucket that fills at a steady rate up to one second's worth.
#[derive(Debug)]
pub(super) struct Budget {
    started: Instant,
    bucket: Mutex<Bucket>,
}

impl Budget {
    /// A full bucket. `per_second` is at least 1.
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            started: Instant::now(),
            bucket: Mutex::new(Bucket::new(per_second)),
        }
    }

    /// Waits for a token.
    ///
    /// # Errors
    /// How long to stay away, when that is longer than [`WAIT_MAX`] or Stripe has asked for a pause.
    pub(super) async fn take(&self) -> Result<(), Duration> {
        let wait = self.bucket().take(self.started.elapsed())?;
        if wait.is_zero() {
            return Ok(());
        }
        sleep(wait).await;
        // Stripe may have asked for a pause meanwhile.
        match self.bucket().closed_for(self.started.elapsed()) {
            Duration::ZERO => Ok(()),
            left => Err(left),
        }
    }

    /// Lets nobody through for this long, and fewer afterwards: Stripe asked for it.
    pub(super) fn slow_down(&self, time: Duration) {
        self.bucket().slow_down(self.started.elapsed(), time);
    }

    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The arithmetic, with the time since the start as an argument. Instead of tokens it keeps the moment at which the
/// bucket will be full again, which needs no fractions (the generic cell rate algorithm).
#[derive(Debug)]
struct Bucket {
    interval: Duration,
    full_at: Duration,
    closed_until: Duration,
    /// What is left of the rate, in thousandths, and since when.
    left: u32,
    left_at: Duration,
}

impl Bucket {
    fn new(per_second: u32) -> Self {
        Self {
            interval: BURST / per_second.max(1),
            full_at: Duration::ZERO,
            closed_until: Duration::ZERO,
            left: WHOLE,
            left_at: Duration::ZERO,
        }
    }

    fn take(&mut self, now: Duration) -> Result<Duration, Duration> {
        let closed = self.closed_for(now);
        if !closed.is_zero() {
            return Err(closed);
        }
        let interval = (self.interval * WHOLE / self.left_of_rate(now)).min(WAIT_MAX);
        let full_at = self.full_at.max(now) + interval;
        let wait = full_at.saturating_sub(now + BURST);
        if wait > WAIT_MAX {
            return Err(wait);
        }
        self.full_at = full_at;
        Ok(wait)
    }

    /// What is left of the rate by now, in thousandths.
    fn left_of_rate(&self, now: Duration) -> u32 {
        let grown =
            now.saturating_sub(self.left_at).as_millis() * u128::from(WHOLE) / RECOVERY.as_millis();
        self.left
            .saturating_add(u32::try_from(grown).unwrap_or(WHOLE))
            .clamp(LEAST, WHOLE)
    }

    fn slow_down(&mut self, now: Duration, time: Duration) {
        if self.left == WHOLE || now >= self.left_at + SLOWED_ONCE {
            self.left = (self.left_of_rate(now) / 2).max(LEAST);
            self.left_at = now;
        }
        self.closed_until = self.closed_until.max(now.saturating_add(time));
        // Empty at the end of the pause: whoever waited must not come back all at once.
        self.full_at = self.full_at.max(self.closed_until.saturating_add(BURST));
    }

    fn closed_for(&self, now: Duration) -> Duration {
        self.closed_until.saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_burst_of_one_second_then_one_token_per_interval() {
        let mut bucket = Bucket::new(10);
        for _ in 0..10 {
            assert_eq!(bucket.take(ms(5000)), Ok(Duration::ZERO));
        }
        assert_eq!(bucket.take(ms(5000)), Ok(ms(100)));
        assert_eq!(bucket.take(ms(5000)), Ok(ms(200)));
        // Both tokens of the 200 ms are promised already.
        assert_eq!(bucket.take(ms(5200)), Ok(ms(100)));
        assert_eq!(bucket.take(ms(9000)), Ok(Duration::ZERO));
    }

    #[test]
    fn a_long_queue_is_sent_away_and_costs_nothing() {
        let mut bucket = Bucket::new(1);
        let answers: Vec<_> = (0..5).map(|_| bucket.take(ms(0))).collect();
        assert_eq!(
            answers,
            [
                Ok(ms(0)),
                Ok(ms(1000)),
                Ok(ms(2000)),
                Err(ms(3000)),
                Err(ms(3000))
            ]
        );
    }

    #[test]
    fn a_pause_holds_everybody_and_ends_with_an_empty_bucket() {
        let mut bucket = Bucket::new(10);
        bucket.slow_down(ms(1000), ms(7000));
        bucket.slow_down(ms(1000), ms(10));
        assert_eq!(bucket.take(ms(2000)), Err(ms(6000)));
        assert_eq!(bucket.closed_for(ms(2000)), ms(6000));
        // Half the rate, and 7 of the 120 seconds in which it grows back.
        let interval = ms(100) * WHOLE / (WHOLE / 2 + 58);
        assert_eq!(bucket.take(ms(8000)), Ok(interval));
        assert_eq!(bucket.take(ms(8000)), Ok(interval * 2));
    }

    #[test]
    fn each_refusal_halves_the_rate_and_time_brings_it_back() {
        let mut bucket = Bucket::new(100);
        for (at, left) in [
            (1_000, 500),
            (1_500, 504),
            (3_000, 258),
            (4_000, 133),
            (5_000, 70),
            (6_000, 50),
            (7_000, 50),
        ] {
            bucket.slow_down(ms(at), Duration::ZERO);
            assert_eq!(bucket.left_of_rate(ms(at)), left, "after {at} ms");
        }
        assert_eq!(bucket.left_of_rate(ms(67_000)), 550);
        assert_eq!(bucket.left_of_rate(ms(400_000)), WHOLE);
    }

    #[test]
    fn a_small_rate_that_was_halved_again_and_again_still_lets_somebody_through() {
        for per_second in 1..=8 {
            let mut bucket = Bucket::new(per_second);
            for at in 0..10 {
                bucket.slow_down(ms(at * 1_000), Duration::ZERO);
            }
            assert!(bucket.take(ms(10_000)).is_ok(), "{per_second} a second");
        }
    }

    #[tokio::test]
    async fn who_waits_for_a_token_hears_of_a_pause() {
        let budget = Budget::new(20);
        for _ in 0..20 {
            budget.take().await.unwrap();
        }
        let (waiter, ()) = futures::join!(budget.take(), async {
            budget.slow_down(Duration::from_mins(1));
        });
        assert!(waiter.unwrap_err() > Duration::from_secs(50));
        assert!(budget.take().await.is_err());
    }

    proptest! {
        #[test]
        fn no_second_sees_more_than_the_rate_and_its_burst(
            per_second in 1..200_u32,
            gaps in proptest::collection::vec(0..50_u64, 1..600),
        ) {
            let mut bucket = Bucket::new(per_second);
            let (mut now, mut starts) = (Duration::ZERO, Vec::new());
            for gap in gaps {
                now += ms(gap);
                if let Ok(wait) = bucket.take(now) {
                    starts.push(now + wait);
                }
            }
            for (index, start) in starts.iter().enumerate() {
                let within = starts[index..].iter().filter(|at| **at < *start + BURST).count();
                prop_assert!(within <= 2 * usize::try_from(per_second).unwrap() + 1);
            }
        }
    }
}
