//! One line when the database goes away and one when it is back, however many tasks notice.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use memberd_jobs::kernel::{Chance, db::Error};

/// Pause before the first repetition.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Who has trouble with the database, and since when.
#[derive(Debug, Default)]
pub(super) struct Outage(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    since: Option<Instant>,
    affected: BTreeSet<&'static str>,
}

impl Outage {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `who` met an error.
    pub(super) fn met(&self, who: &'static str, error: &Error) {
        let mut state = self.state();
        state.affected.insert(who);
        if state.since.is_none() {
            state.since = Some(Instant::now());
            tracing::warn!(who, %error, "the database does not work for us; waiting and trying again");
        } else {
            tracing::debug!(who, %error, "the database still does not work for us");
        }
    }

    /// It works for `who`.
    pub(super) fn over(&self, who: &'static str) {
        let mut state = self.state();
        if state.affected.remove(who)
            && state.affected.is_empty()
            && let Some(since) = state.since.take()
        {
            tracing::info!(after = ?since.elapsed(), "the database works again");
        }
    }
}

/// The pauses of one task: doubling, with jitter so that tasks which failed together do not return together.
#[derive(Debug, Default)]
pub(super) struct Backoff(u32);

impl Backoff {
    /// The next pause.
    pub(super) fn next(&mut self, chance: &Chance) -> Duration {
        let pause = PAUSE_FIRST.saturating_mul(2_u32.saturating_pow(self.0));
        self.0 += 1;
        pause.min(PAUSE_MAX).mul_f64(0.5 + chance.fraction() / 2.0)
    }

    /// The next trouble starts from the beginning.
    pub(super) const fn reset(&mut self) {
        self.0 = 0;
    }
}

/// The error of a call that took too long.
pub(super) fn took_too_long(patience: Duration) -> Error {
    Error::Unavailable(format!("no answer within {patience:?}"))
}
