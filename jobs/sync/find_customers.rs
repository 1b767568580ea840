//! Customers whose subscriptions a walk has met before them.
//!
//! The walks of one backfill go side by side, so a subscription is often written before its customer is. Asking for each
//! of them would cost a request for what is on its way anyway; and where both are written at the same moment, neither
//! transaction sees the other. So a walk only notes such customers, and when both have been walked, their members are
//! derived, and those who did not come are sent for.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    FetchObject, apply,
    store::{cursors, runs},
};
use crate::kernel::{
    Context, Env, Job, JobError, JobResult, Report, Unique,
    db::{Error, Result, Tx},
    outbox::{self, NewJob},
    ports::ObjectType,
};

/// The name under which such customers are noted among what walks have met.
pub(super) const AWAITED: &str = "awaited:customer";

/// Customers of one transaction.
const BATCH: i64 = 500;

/// How often to look whether the walks are over; the end of each wakes the job sooner.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// A walk that has not come further for so long brings nobody.
const STALLED: Duration = Duration::from_mins(10);

/// A run that was told to stop goes on after this.
const RESUME_PAUSE: Duration = Duration::from_secs(1);

/// Derives the members of customers whose subscriptions came before them, and sends for those who did not come.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindCustomers {}

impl Job for FindCustomers {
    const KIND: &'static str = "sync.find_customers";
    const ABOUT: &'static str = "Finds the customers whose subscriptions a walk met before them; sends for those who did not come.";
    const TIMEOUT: Duration = Duration::from_mins(30);
    const UNIQUE: Unique = Unique::Waiting;
    const EXCLUSIVE: bool = true;

    fn unique_key(&self) -> Option<String> {
        Some(String::new())
    }

    async fn run(&self, cx: &Context) -> JobResult {
        let (env, organization) = (&cx.env, cx.organization());
        let mut all = 0;
        loop {
            if walks_go_on(env, organization).await? {
                return Err(JobError::Snooze(LOOK_AGAIN));
            }
            if cx.cancel.is_cancelled() {
                return Err(JobError::Snooze(RESUME_PAUSE));
            }
            let derived = match derive_some(env, organization, BATCH).await {
                Err(error @ (Error::Other(_) | Error::Conflict(_))) => {
                    tracing::warn!(organization, %error, "customers could not be derived together: one by one");
                    one_by_one(env, organization).await?
                }
                derived => derived?,
            };
            if derived == 0 {
                break;
            }
            all += derived;
        }
        Ok(Report::none().with("customers", all))
    }
}

/// Derives the first of those who are noted, and notes them no more; answers how many they were.
async fn derive_some(env: &Env, organization: &str, limit: i64) -> Result<usize> {
    let mut tx = env.db.begin().await?;
    let customers = runs::take_seen(&mut tx, organization, AWAITED, limit).await?;
    let count = customers.len();
    if count > 0 {
        apply::derive_payers(&mut tx, env, organization, customers).await?;
        tx.commit().await?;
    }
    Ok(count)
}

/// The same for each by itself, so that the others need not wait for one whom the database does not take. She is left to a
/// fetch, which has attempts of its own.
async fn one_by_one(env: &Env, organization: &str) -> Result<usize> {
    for done in 0..usize::try_from(BATCH).unwrap_or(usize::MAX) {
        match derive_some(env, organization, 1).await {
            Ok(0) => return Ok(done),
            Ok(_) => {}
            Err(error @ (Error::Other(_) | Error::Conflict(_))) => {
                let mut tx = env.db.begin().await?;
                for customer in runs::take_seen(&mut tx, organization, AWAITED, 1).await? {
                    tracing::error!(organization, customer, %error, "a customer could not be derived: she is fetched");
                    let fetch = FetchObject::of(ObjectType::Customer, &customer);
                    outbox::enqueue(&mut tx, env, NewJob::of(organization, &fetch)?).await?;
                }
                tx.commit().await?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(usize::try_from(BATCH).unwrap_or(usize::MAX))
}

/// Whether customers are still on their way, or what would have them noted.
async fn walks_go_on(env: &Env, organization: &str) -> Result<bool> {
    let alive = env.now().minus(STALLED);
    for kind in [ObjectType::Customer, ObjectType::Subscription, ObjectType::Invoice] {
        for word in ["backfill", "reconcile"] {
            let stream = format!("{word}:{}", kind.as_str());
            let walk = cursors::get(&env.db, organization, &stream).await?;
            if walk.is_some_and(|walk| walk.state == "running" && walk.updated_at > alive) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Notes customers who are not here yet.
pub(super) async fn await_them(
    tx: &mut Tx,
    organization: &str,
    customers: &[String],
) -> Result<()> {
    let ids: BTreeSet<&str> = customers.iter().map(String::as_str).collect();
    runs::see(tx, organization, AWAITED, &ids.into_iter().collect::<Vec<_>>()).await
}

/// At the end of a walk: has those looked for who were noted, if there are any.
pub(super) async fn enqueue(tx: &mut Tx, env: &Env, organization: &str) -> Result<()> {
    if runs::any_seen(tx, organization, AWAITED).await? {
        outbox::enqueue(tx, env, NewJob::of(organization, &FindCustomers {})?).await?;
    }
    Ok(())
}
