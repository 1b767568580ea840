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
        cursors::{self, Cursor},
        known,
        objects::{self, Scope},
    },
    walk::{Purpose, report},
};
use crate::kernel::{
    Context, Env, JobError, Report,
    db::{Result, Tx},
    outbox::{self, NewJob, PRIORITY_LOW},
    ports::ObjectType,
};

/// Objects asked for again in one nightly turn.
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
    send_for(tx, env, organization, ObjectType::PaymentMethod, unknown, None).await
}

/// What takes the place of a walk for a type without a list: what is known is fetched again, and the account itself
/// also when it is not known. The next turn goes on where this one ends, so that each has its turn.
pub(super) async fn again(
    cx: &Context,
    kind: ObjectType,
    purpose: Purpose<'_>,
) -> std::result::Result<Report, JobError> {
    let (env, organization) = (&cx.env, cx.organization());
    let stripe = apply::stripe_of(env, organization);
    let scope = Scope { organization, stripe: &stripe };
    let stream = purpose.stream(kind);
    let before = cursors::get(&env.db, organization, &stream).await?;
    let after = before.and_then(|cursor| cursor.cursor).unwrap_or_default();
    let mut tx = env.db.begin().await?;
    let mut ids = objects::living_ids(&mut tx, &scope, kind, &after, AGAIN_BATCH).await?;
    let next = rest_after(&ids, AGAIN_BATCH);
    if kind == ObjectType::Account && ids.is_empty() && !stripe.account.is_empty() {
        ids.push(stripe.account.clone());
    }
    let objects = i64::try_from(ids.len()).unwrap_or(i64::MAX);
    let cursor = Cursor {
        stream,
        cursor: next,
        state: "done".to_owned(),
        objects,
        started_at: env.now(),
        updated_at: env.now(),
    };
    cursors::put(&mut tx, organization, &cursor).await?;
    let run = purpose.run().map(|run| run.id.as_str());
    send_for(&mut tx, env, organization, kind, ids, run).await?;
    purpose.complete_in(cx, &mut tx, objects).await?;
    tx.commit().await?;
    Ok(report(objects))
}

/// The id after which the rest of many is, if a batch did not take all.
pub(super) fn rest_after(ids: &[String], batch: i64) -> Option<String> {
    let full = i64::try_from(ids.len()).is_ok_and(|taken| taken >= batch);
    ids.last().filter(|_| full).cloned()
}

/// Sends for objects that are most likely as they were; a reconciliation notes those that are not.
pub(super) async fn send_for(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    kind: ObjectType,
    ids: Vec<String>,
    run: Option<&str>,
) -> Result<()> {
    let jobs = ids
        .into_iter()
        .map(|id| FetchObject { run: run.map(str::to_owned), ..FetchObject::of(kind, &id) })
        .map(|job| Ok(NewJob::of(organization, &job)?.priority(PRIORITY_LOW)))
        .collect::<Result<Vec<_>>>()?;
    outbox::enqueue_many(tx, env, jobs).await?;
    Ok(())
}
