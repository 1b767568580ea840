//! Ids and chance as an argument: one seeded source for ULIDs, jitter and tokens.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use ulid::Ulid;

use super::clock::Timestamp;

/// Random bits of a ULID.
const RANDOM_BITS: u32 = 80;

/// The id before all with this prefix that were made at `at` or later.
pub fn first_id(prefix: &str, at: Timestamp) -> String {
    format!(
        "{prefix}_{}",
        Ulid::from_parts(u64::try_from(at.0).unwrap_or(0), 0)
    )
}

/// Seeded randomness. Production seeds it from the operating system, tests with a number.
pub struct Chance(Mutex<State>);

struct State {
    rng: StdRng,
    last: Ulid,
}

impl Chance {
    /// Randomness that repeats for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self::new(StdRng::seed_from_u64(seed))
    }

    /// Randomness from the operating system.
    ///
    /// # Errors
    /// When the operating system gives none.
    pub fn from_system() -> Result<Self, rand::rngs::SysError> {
        Ok(Self::new(StdRng::try_from_rng(&mut rand::rngs::SysRng)?))
    }

    fn new(rng: StdRng) -> Self {
        Self(Mutex::new(State {
            rng,
            last: Ulid::nil(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new id: `prefix_` and a ULID of `now`. Ids of one process grow strictly, also within a millisecond,
    /// so that sorting by id is sorting by creation.
    pub fn id(&self, prefix: &str, now: Timestamp) -> String {
        let mut state = self.state();
        let millis = u64::try_from(now.0)
            .unwrap_or(0)
            .max(state.last.timestamp_ms());
        let next = if millis == state.last.timestamp_ms() {
            state
                .last
                .increment()
                .unwrap_or_else(|overflowed| overflowed)
        } else {
            let high: u64 = state.rng.random();
            let low: u64 = state.rng.random();
            let random = (u128::from(high) << 64 | u128::from(low)) >> (128 - RANDOM_BITS);
            Ulid::from_parts(millis, random)
        };
        state.last = next;
        format!("{prefix}_{next}")
    }

    /// A number from 0 up to and excluding 1, for jitter.
    pub fn fraction(&self) -> f64 {
        self.state().rng.random()
    }

    /// Fills `bytes` with random ones, for keys and tokens.
    pub fn fill(&self, bytes: &mut [u8]) {
        self.state().rng.fill_bytes(bytes);
    }
}

impl fmt::Debug for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chance")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_process_grow_also_within_a_millisecond_and_when_the_clock_steps_back() {
        let chance = Chance::seeded(1);
        let mut last = String::new();
        for step in 0..1000_i64 {
            let id = chance.id(
                "job",
                Timestamp(1_000_000 + step / 10 - i64::from(step == 500)),
            );
            assert!(id > last, "{id} after {last}");
            last = id;
        }
    }

    #[test]
    fn the_first_id_of_a_moment_stands_between_those_before_and_those_after() {
        let chance = Chance::seeded(3);
        let (before, after) = (
            chance.id("evt", Timestamp(4_999)),
            chance.id("evt", Timestamp(5_000)),
        );
        let first = first_id("evt", Timestamp(5_000));
        assert!(before < first && first <= after, "{before} {first} {after}");
    }

    #[test]
    fn the_same_seed_gives_the_same_ids() {
        let (one, two) = (Chance::seeded(7), Chance::seeded(7));
        assert_eq!(one.id("mem", Timestamp(5)), two.id("mem", Timestamp(5)));
        assert_ne!(
            Chance::seeded(8).id("mem", Timestamp(5)),
            one.id("mem", Timestamp(6))
        );
    }
}
