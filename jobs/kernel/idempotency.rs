//! A request that a caller repeats with the same `Idempotency-Key` takes effect once.
//!
//! The key is claimed before the work, in a transaction of its own, so that a second request meanwhile is told to wait.
//! The answer is written in the transaction of the work: there is no moment in which the work is done and its answer is
//! not known. A process that dies in between leaves a claim that runs out; nothing was done then, and the next request
//! with the key does it.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{
    clock::Timestamp,
    context::Env,
    db::{Db, Result, Sql, Tx},
    limits::PRUNE_BATCH_MAX,
};
use crate::args;

/// How long an answer is kept.
pub const KEEP: Duration = Duration::from_hours(24);

/// Characters of a key.
pub const KEY_CHARS_MAX: usize = 255;

/// How long a claim is believed. It outlasts every request.
const CLAIM: Duration = Duration::from_mins(2);

/// An answer as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: i64,
    /// The body.
    pub body: String,
}

/// The right to do what a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    organization: String,
    key: String,
    id: String,
}

/// What the key says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// Nobody has used it: do the work, then [`Claim::settle`] or [`Claim::release`].
    First(Claim),
    /// It was done: answer the same.
    Done(Answer),
    /// The first request with it is not done yet.
    InProgress,
    /// It was used for something else.
    Reused,
}

const INSERT: Sql = Sql::both(
    "INSERT INTO idempotency_keys (organization_id, key, request_hash, claim_id, claimed_until, created_at)
     VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (organization_id, key) DO UPDATE SET request_hash = excluded.request_hash,
        claim_id = excluded.claim_id, claimed_until = excluded.claimed_until, status = NULL, body = NULL,
        created_at = excluded.created_at
     WHERE idempotency_keys.created_at <= $7
        OR (idempotency_keys.status IS NULL AND idempotency_keys.claimed_until <= $6
            AND idempotency_keys.request_hash = excluded.request_hash)
     RETURNING claim_id",
);
const HOLDER: Sql = Sql::both(
    "SELECT request_hash, status, body FROM idempotency_keys WHERE organization_id = $1 AND key = $2",
);
const SETTLE: Sql = Sql::both(
    "UPDATE idempotency_keys SET status = $4, body = $5
     WHERE organization_id = $1 AND key = $2 AND claim_id = $3",
);
const RELEASE: Sql = Sql::both(
    "DELETE FROM idempotency_keys
     WHERE organization_id = $1 AND key = $2 AND claim_id = $3 AND status IS NULL",
);
const PRUNE: Sql = Sql::both(
    "DELETE FROM idempotency_keys WHERE (organization_id, key) IN (
        SELECT organization_id, key FROM idempotency_keys WHERE created_at <= $1 LIMIT $2)",
);

/// Claims a key for a request, which `asked` describes in full.
pub async fn claim(env: &Env, organization: &str, key: &str, asked: &str) -> Result<Claimed> {
    let now = env.now();
    let hash = hex::encode(Sha256::digest(asked));
    let id = env.id("clm");
    let mut tx = env.db.begin().await?;
    let row = args![
        organization,
        key,
        &hash,
        &id,
        now.plus(CLAIM),
        now,
        now.minus(KEEP)
    ];
    let taken: Option<(String,)> = tx.optional(INSERT, row).await?;
    if taken.is_some() {
        tx.commit().await?;
        let (organization, key) = (organization.to_owned(), key.to_owned());
        return Ok(Claimed::First(Claim {
            organization,
            key,
            id,
        }));
    }
    let held: Option<(String, Option<i64>, Option<String>)> =
        tx.optional(HOLDER, args![organization, key]).await?;
    // On SQLite the row may be of the group that is still to be made durable.
    tx.commit().await?;
    Ok(match held {
        Some((theirs, ..)) if theirs != hash => Claimed::Reused,
        Some((_, Some(status), body)) => Claimed::Done(Answer {
            status,
            body: body.unwrap_or_default(),
        }),
        _ => Claimed::InProgress,
    })
}

impl Claim {
    /// Writes the answer, in the transaction of the work; later answers replace it.
    ///
    /// # Errors
    /// [`super::db::Error::LeaseLost`] when the claim has run out and another request has taken it: the transaction must
    /// be dropped.
    pub async fn settle(&self, tx: &mut Tx, answer: &Answer) -> Result<()> {
        let row = args![
            &self.organization,
            &self.key,
            &self.id,
            answer.status,
            &answer.body
        ];
        match tx.execute(SETTLE, row).await? {
            1 => Ok(()),
            _ => Err(super::db::Error::LeaseLost),
        }
    }

    /// Frees the key, because nothing was done. An answer that is written stays.
    pub async fn release(&self, db: &Db) -> Result<()> {
        let mut tx = db.begin().await?;
        tx.execute(RELEASE, args![&self.organization, &self.key, &self.id])
            .await?;
        tx.commit().await
    }
}

/// Forgets keys whose time is over; answers how many.
pub async fn prune(db: &Db, now: Timestamp) -> Result<u64> {
    let mut forgotten = 0;
    loop {
        let mut tx = db.begin().await?;
        let rows = tx
            .execute(PRUNE, args![now.minus(KEEP), PRUNE_BATCH_MAX])
            .await?;
        tx.commit().await?;
        forgotten += rows;
        if i64::try_from(rows).is_ok_and(|rows| rows < PRUNE_BATCH_MAX) {
            return Ok(forgotten);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::{both, testing::TestDb};

    fn answer(body: &str) -> Answer {
        Answer {
            status: 202,
            body: body.to_owned(),
        }
    }

    async fn settle(db: &TestDb, claim: &Claim, body: &str) -> Result<()> {
        let mut tx = db.env.db.begin().await?;
        claim.settle(&mut tx, &answer(body)).await?;
        tx.commit().await
    }

    async fn ask(db: &TestDb, asked: &str) -> Claimed {
        claim(&db.env, "default", "k", asked).await.unwrap()
    }

    fn first(claimed: Claimed) -> Claim {
        match claimed {
            Claimed::First(claim) => claim,
            other => panic!("not the first: {other:?}"),
        }
    }

    both! {
        async fn the_same_request_is_answered_the_same_and_another_is_refused(db: TestDb) {
            let claim = first(ask(&db, "a").await);
            assert_eq!(ask(&db, "a").await, Claimed::InProgress);
            assert_eq!(ask(&db, "b").await, Claimed::Reused);
            settle(&db, &claim, "one").await.unwrap();
            assert_eq!(ask(&db, "a").await, Claimed::Done(answer("one")));
            assert_eq!(ask(&db, "b").await, Claimed::Reused);
            claim.release(&db.env.db).await.unwrap();
            assert_eq!(ask(&db, "a").await, Claimed::Done(answer("one")));
            db.advance(KEEP);
            first(ask(&db, "b").await);
        }

        async fn a_request_that_did_nothing_frees_its_key(db: TestDb) {
            first(ask(&db, "a").await).release(&db.env.db).await.unwrap();
            first(ask(&db, "b").await);
        }

        async fn the_claim_of_a_dead_process_runs_out_and_is_heard_no_more(db: TestDb) {
            let dead = first(ask(&db, "a").await);
            db.advance(CLAIM);
            assert_eq!(ask(&db, "b").await, Claimed::Reused);
            let alive = first(ask(&db, "a").await);
            assert!(settle(&db, &dead, "late").await.is_err());
            settle(&db, &alive, "one").await.unwrap();
            assert_eq!(ask(&db, "a").await, Claimed::Done(answer("one")));
        }

        async fn of_twenty_at_once_one_is_the_first(db: TestDb) {
            let mut nodes = Vec::new();
            for _ in 0..4 {
                nodes.push(db.node().await);
            }
            let tracker = TaskTracker::new();
            let asks = (0..20).map(|n| {
                let node = nodes[n % 4].clone();
                tracker.spawn(async move { claim(&node, "default", "k", "a").await.unwrap() })
            });
            let mut firsts = 0;
            for ask in asks.collect::<Vec<_>>() {
                match ask.await.unwrap() {
                    Claimed::First(_) => firsts += 1,
                    other => assert_eq!(other, Claimed::InProgress),
                }
            }
            assert_eq!(firsts, 1);
        }

        async fn old_keys_are_forgotten(db: TestDb) {
            let claim = first(ask(&db, "a").await);
            settle(&db, &claim, "one").await.unwrap();
            assert_eq!(prune(&db.env.db, db.now()).await.unwrap(), 0);
            db.advance(KEEP);
            assert_eq!(prune(&db.env.db, db.now()).await.unwrap(), 1);
            assert_eq!(db.count("idempotency_keys").await, 0);
        }
    }
}
