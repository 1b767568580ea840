//! `Idempotency-Key`: the first answer is kept and repeated.

use std::{collections::HashMap, sync::Arc};

use sha2::{Digest, Sha256};

use super::{Reply, error::ApiError};

/// How long an answer is kept, in virtual seconds (Stripe: at least 24 hours).
const RETENTION: i64 = 24 * 3_600;
/// The longest key.
pub(crate) const MAX_KEY: usize = 255;
/// Expired keys are looked for once so many new ones came.
const SWEEP_EVERY: usize = 10_000;

/// What a request is, for comparison: its method, path and body.
pub(crate) type Print = [u8; 32];

#[derive(Debug)]
struct Entry {
    print: Print,
    since: i64,
    /// `req_…` of the first request.
    request: String,
    /// Absent while the first request is still at work.
    reply: Option<Reply>,
}

/// The keys of one account.
#[derive(Debug, Default)]
pub(crate) struct Idempotency {
    entries: HashMap<String, Entry>,
    until_sweep: usize,
}

/// What to do with a request that has a key.
#[derive(Debug)]
pub(crate) enum Claim {
    /// The key is new: do the work, then [`Idempotency::settle`].
    Work,
    /// Answer this.
    Answer(Reply),
}

/// The fingerprint of a request.
pub(crate) fn print(method: &str, path: &str, body: &[u8]) -> Print {
    let mut hash = Sha256::new();
    for part in [method.as_bytes(), path.as_bytes(), body] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

impl Idempotency {
    /// Takes the key for a request, or says why not.
    pub(crate) fn claim(
        &mut self,
        key: &str,
        print: Print,
        request: &str,
        now: i64,
    ) -> Result<Claim, ApiError> {
        self.sweep(now);
        match self
            .entries
            .get(key)
            .filter(|entry| now - entry.since < RETENTION)
        {
            Some(entry) if entry.print != print => Err(ApiError::idempotency(
                400,
                None,
                "this idempotency key was first used with another request: use a new key",
            )),
            Some(Entry { reply: None, .. }) => Err(ApiError::idempotency(
                409,
                Some("idempotency_key_in_use"),
                "the first request with this idempotency key is still at work: try again later",
            )),
            Some(Entry {
                reply: Some(reply),
                request,
                ..
            }) => Ok(Claim::Answer(Reply {
                replay_of: Some(request.clone()),
                ..reply.clone()
            })),
            None => {
                self.entries.insert(
                    key.to_owned(),
                    Entry {
                        print,
                        since: now,
                        request: request.to_owned(),
                        reply: None,
                    },
                );
                Ok(Claim::Work)
            }
        }
    }

    /// Keeps the answer of a claimed key, or frees the key when the answer must not be repeated
    /// (validation errors, conflicts and rate limits are not results).
    pub(crate) fn settle(&mut self, key: &str, reply: &Reply) {
        if matches!(reply.status, 400 | 401 | 403 | 404 | 409 | 429) {
            self.entries.remove(key);
        } else if let Some(entry) = self.entries.get_mut(key) {
            entry.reply = Some(Reply {
                body: Arc::clone(&reply.body),
                ..reply.clone()
            });
        }
    }

    /// Keeps any answer under a key, as Stripe does with errors of a request that had begun.
    pub(crate) fn keep(&mut self, key: &str, print: Print, request: &str, reply: Reply, now: i64) {
        self.entries.insert(
            key.to_owned(),
            Entry {
                print,
                since: now,
                request: request.to_owned(),
                reply: Some(reply),
            },
        );
    }

    fn sweep(&mut self, now: i64) {
        if self.until_sweep == 0 {
            self.entries
                .retain(|_, entry| now - entry.since < RETENTION);
            self.until_sweep = SWEEP_EVERY;
        }
        self.until_sweep -= 1;
    }
}
