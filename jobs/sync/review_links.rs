//! Looking once more at customers whose sources did not agree about their member.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    apply::{read, stripe_of},
    conflicts,
    model::{self, Customer},
    store::{conflicts as store, links, objects, objects::Scope},
};
use crate::kernel::{Context, Env, Job, JobError, JobResult, Report, Unique, db::Result, ports::ObjectType};

/// Customers of one transaction.
const PAGE_CUSTOMERS: i64 = 100;

/// A run that was told to stop starts over after this pause.
const RESUME_PAUSE: Duration = Duration::from_secs(1);

/// Compares the sources of customers with open conflicts anew. An event about a customer does so at once; a change of
/// the members here, such as an address that was given up, is seen by this.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewLinks {}

impl Job for ReviewLinks {
    const KIND: &'static str = "sync.review_links";
    const ABOUT: &'static str = "Looks whether customers whose member was not plain have become plain by changes here.";
    /// What changes while it runs, behind the place that it has reached, is for the next.
    const UNIQUE: Unique = Unique::Waiting;
    const EXCLUSIVE: bool = true;

    fn unique_key(&self) -> Option<String> {
        Some(String::new())
    }

    async fn run(&self, cx: &Context) -> JobResult {
        let (env, organization) = (&cx.env, cx.organization());
        let before = store::count(&env.db, organization).await?;
        let mut after = String::new();
        loop {
            if cx.cancel.is_cancelled() {
                return Err(JobError::Snooze(RESUME_PAUSE));
            }
            let ids =
                store::customers_after(&env.db, organization, &after, PAGE_CUSTOMERS).await?;
            let Some(last) = ids.last() else { break };
            after.clone_from(last);
            review(env, organization, &ids).await?;
        }
        let left = store::count(&env.db, organization).await?;
        Ok(Report::none().with("conflicts", before).with("left", left))
    }
}

/// Notes what is true of these customers now. Whoever is deleted at Stripe is nobody's any more.
async fn review(env: &Env, organization: &str, ids: &[String]) -> Result<()> {
    let stripe = stripe_of(env, organization);
    let scope = Scope { organization, stripe: &stripe };
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut tx = env.db.begin().await?;
    // Locked, so that what is noted for an event that comes meanwhile is noted after this.
    let held = objects::lock(&mut tx, &scope, ObjectType::Customer, &ids).await?;
    let customers: BTreeMap<String, Customer> = held
        .into_iter()
        .filter(|object| !object.deleted)
        .filter_map(|object| Some((object.id, model::customer(&read(&object.raw)?)?)))
        .collect();
    let linked = links::of_customers(&mut tx, organization, &ids).await?;
    let linked: Vec<(&Customer, String)> = linked
        .into_iter()
        .filter_map(|(id, linked)| Some((customers.get(&id)?, linked.member_id?)))
        .collect();
    conflicts::note(&mut tx, env, organization, &linked).await?;
    let gone: Vec<&str> = ids.into_iter().filter(|id| !customers.contains_key(*id)).collect();
    for open in store::of_customers(&mut tx, organization, &gone).await? {
        store::resolve(&mut tx, organization, &open.customer_id, &open.kind, env.now()).await?;
    }
    tx.commit().await
}
