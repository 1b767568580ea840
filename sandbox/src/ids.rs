//! Ids in Stripe's form, from a seeded generator: the same seed and the same calls give the same ids.

use rand::{RngExt, SeedableRng, rngs::StdRng};
use sha2::{Digest, Sha256};

const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Length of the random part of short ids (`cus_`, `prod_`, `si_`, `req_`).
const SHORT: usize = 14;
/// Length of the random part of long ids, after the `1` of their account shard.
const LONG: usize = 23;

/// Makes ids.
#[derive(Debug)]
pub(crate) struct Ids {
    rng: StdRng,
}

impl Ids {
    /// A stream of its own for every `purpose`, so that one stream's use never moves another's.
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        Self {
            rng: stream(seed, purpose),
        }
    }

    /// `prefix` plus 14 characters, as `cus_QXg1o8vcGmoR32`.
    pub(crate) fn short(&mut self, prefix: &str) -> String {
        self.make(prefix, SHORT)
    }

    /// `prefix` plus `1` plus 23 characters, as `sub_1Pgc6rB7WZ01zgkWNy0Cn5nw`.
    pub(crate) fn long(&mut self, prefix: &str) -> String {
        let prefix = format!("{prefix}1");
        self.make(&prefix, LONG)
    }

    fn make(&mut self, prefix: &str, length: usize) -> String {
        let mut id = String::with_capacity(prefix.len() + length);
        id.push_str(prefix);
        for _ in 0..length {
            id.push(char::from(BASE62[self.rng.random_range(0..BASE62.len())]));
        }
        id
    }
}

/// A generator that depends on the seed and on what it is for.
pub(crate) fn stream(seed: u64, purpose: &str) -> StdRng {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(purpose.as_bytes());
    StdRng::from_seed(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_ids_and_another_purpose_gives_others() {
        let take = |seed, purpose| Ids::new(seed, purpose).short("cus_");
        assert_eq!(take(7, "a"), take(7, "a"));
        assert_ne!(take(7, "a"), take(7, "b"));
        assert_ne!(take(7, "a"), take(8, "a"));
        assert_eq!(take(7, "a").len(), "cus_QXg1o8vcGmoR32".len());
        assert_eq!(
            Ids::new(7, "a").long("sub_").len(),
            "sub_1Pgc6rB7WZ01zgkWNy0Cn5nw".len()
        );
    }
}
