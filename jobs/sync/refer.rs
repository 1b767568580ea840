//! Objects that Stripe does not list: payment methods, which it lists only for each customer, and the account itself.
//!
//! A payment method is fetched once something refers to it (the default of a customer or of a subscription), and when an
//! event is about it. That is one request for each method that pays for something; asking for the list of each customer
//! would be one for each customer, most of whom have none or the one that is known, and would bring methods that
//! nothing here shows.

use std::collections::BTreeSet;

use super::{
    FetchObject, apply,
    store::{
        known,
        objects::{self, Scope},
    },
};
use crate::kernel::{
    Env, JobError, Report,
    db::{Result, Tx},
    outbox::{self, NewJob, PRIORITY_LOW},
    ports::ObjectType,
};

/// Objects asked for again in one nightly turn; those of the oldest truth come first, so that each has its turn.
const AGAIN_BATCH: i64 = 1_000;

/// Sends for payment methods that are referred to and not here. A tombstone is here: what was asked for once and is gone
/// is not asked for again.
pub(super) async fn payment_methods(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    ids: &BTreeSet<String>,
) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let stripe = apply::stripe_of(env, organization);
    let scope = Scope { organization, stripe: &stripe };
    let known = known::of(tx, &scope, ObjectType::PaymentMethod, ids).await?;
    let unknown = ids.difference(&known).cloned().collect();
    send_for(tx, env, organization, ObjectType::PaymentMethod, unknown).await
}

/// What takes the place of a walk for a type without a list: what is known is fetched again, and the account itself
/// also when it is not known.
pub(super) async fn again(env: &Env, organization: &str, kind: ObjectType) -> std::result::Result<Report, JobError> {
    let stripe = apply::stripe_of(env, organization);
    let scope = Scope { organization, stripe: &stripe };
    let mut tx = env.db.begin().await?;
    let mut ids = objects::unseen_since(&mut tx, &scope, kind, env.now(), AGAIN_BATCH).await?;
    if kind == ObjectType::Account && ids.is_empty() && !stripe.account.is_empty() {
        ids.push(stripe.account.clone());
    }
    let report = Report::none().with("objects", ids.len()).with("drifted", 0);
    send_for(&mut tx, env, organization, kind, ids).await?;
    tx.commit().await?;
    Ok(report)
}

async fn send_for(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    kind: ObjectType,
    ids: Vec<String>,
) -> Result<()> {
    let jobs = ids
        .into_iter()
        .map(|id| FetchObject { object_type: kind.as_str().to_owned(), id })
        .map(|job| Ok(NewJob::of(organization, &job)?.priority(PRIORITY_LOW)))
        .collect::<Result<Vec<_>>>()?;
    outbox::enqueue_many(tx, env, jobs).await?;
    Ok(())
}
