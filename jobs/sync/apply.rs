//! Writing what was learnt about objects: raw rows, projections, links, members, entitlements. Many objects at once,
//! with few statements, all in the caller's transaction.
//!
//! Rows are locked in one order everywhere: objects by type and id, then their columns, then members, and jobs at the
//! end, because a job that is sent for again stays locked until the commit. So two transactions never wait for each other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    FetchObject, columns, find_customers, link,
    model::{self, Customer},
    refer,
    store::{
        facts,
        objects::{self, Scope, Truth},
        projections,
    },
};
use crate::{
    entitlements,
    kernel::{
        Env,
        db::{Result, Tx},
        outbox::{self, NewJob},
        ports::{ObjectType, Organization},
    },
    members,
};

/// What a tombstone looks like when Stripe only says "no such object", or that an object was deleted whose id may be
/// given again. It differs from the tombstones that Stripe itself answers, because those are final and this one is not.
pub(super) fn tombstone(kind: ObjectType, id: &str) -> Value {
    json!({ "id": id, "object": kind.as_str(), "deleted": true, "missing": true })
}

/// Whether Stripe itself has told that the object is gone for ever.
pub(super) fn is_buried(value: &Value) -> bool {
    model::is_deleted(value) && value.get("missing").is_none()
}

/// The organization's account and mode.
pub(super) fn stripe_of(env: &Env, organization: &str) -> Organization {
    env.settings.organizations.get(organization).cloned().unwrap_or_default()
}

/// An object's JSON as it is kept, and read.
pub(super) fn read(raw: &str) -> Option<Value> {
    serde_json::from_str(raw).ok()
}

/// An object to be written. If it is there already, its row is locked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write<'a> {
    /// What to write.
    pub(super) truth: Truth<'a>,
    /// Its JSON, read.
    pub(super) value: &'a Value,
    /// What is held so far; `None` when the object is not here.
    pub(super) before: Option<&'a Value>,
    /// Whether what follows from it is derived also when nothing has changed. Transactions that do not see each other
    /// can write two objects of which each misses the other; the fetch that one of them sends for sees both.
    pub(super) afresh: bool,
}

/// What to do about customers whose subscriptions come before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// Send for them.
    Fetch,
    /// Note them: a walk most likely brings them.
    Await,
}

/// Writes objects, each at most once, and what follows from them. Answers type and id of those that were not here when
/// the caller looked, but of which another transaction has told something meanwhile: nothing was written for them.
pub(super) async fn write(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    writes: &[Write<'_>],
    unknown: Unknown,
) -> Result<BTreeSet<(String, String)>> {
    let stripe = stripe_of(env, organization);
    let scope = Scope { organization, stripe: &stripe };
    let truths = |there: bool| -> Vec<Truth<'_>> {
        writes.iter().filter(|write| write.before.is_some() == there).map(|write| write.truth).collect()
    };
    objects::set(tx, env.now(), &scope, &truths(true)).await?;
    let new = truths(false);
    let added = objects::add(tx, env.now(), &scope, &new).await?;
    let lost: BTreeSet<_> = new
        .iter()
        .map(|truth| (truth.kind.as_str().to_owned(), truth.id.to_owned()))
        .filter(|key| !added.contains(key))
        .collect();
    let is_lost = |truth: &Truth<'_>| {
        !lost.is_empty() && lost.contains(&(truth.kind.as_str().to_owned(), truth.id.to_owned()))
    };
    let written: Vec<_> = writes.iter().filter(|write| !is_lost(&write.truth)).collect();
    let touched = rows(tx, env, organization, &written).await?;
    follow(tx, env, organization, &touched, unknown).await?;
    Ok(lost)
}

/// What the members behind objects must be derived from.
#[derive(Debug, Default)]
struct Touched {
    /// Customers that have changed.
    customers: Vec<Customer>,
    /// Customers of subscriptions that have changed, and of invoices that say since when one is late.
    payers: BTreeSet<String>,
    /// Payment methods that are referred to.
    methods: BTreeSet<String>,
}

/// Writes the columns of objects as if they had changed, and each customer with its member. Nothing is derived.
pub(super) async fn rewrite(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    writes: &[Write<'_>],
) -> Result<()> {
    let touched = rows(tx, env, organization, &writes.iter().collect::<Vec<_>>()).await?;
    link::link(tx, env, organization, &touched.customers, &BTreeSet::new()).await?;
    refer::payment_methods(tx, env, organization, &touched.methods).await
}

/// Derives what the members behind customers may see, and sends for customers who are not here.
pub(super) async fn derive_payers(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    payers: BTreeSet<String>,
) -> Result<()> {
    let touched = Touched { payers, ..Touched::default() };
    follow(tx, env, organization, &touched, Unknown::Fetch).await
}

/// Derives what members may see.
pub(super) async fn derive_members(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    members: BTreeSet<String>,
) -> Result<()> {
    let links = link::Links { members, ..link::Links::default() };
    derive(tx, env, organization, &links).await
}

/// Writes the columns of objects, those of one type together.
async fn rows(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    writes: &[&Write<'_>],
) -> Result<Touched> {
    let mut touched = Touched::default();
    let mut by_kind: BTreeMap<ObjectType, Vec<&Write<'_>>> = BTreeMap::new();
    for write in writes {
        by_kind.entry(write.truth.kind).or_default().push(write);
    }
    for (kind, writes) in by_kind {
        let (gone, living): (Vec<_>, Vec<_>) =
            writes.into_iter().partition(|write| write.truth.deleted);
        living_rows(tx, env, organization, (kind, &living), &mut touched).await?;
        for write in gone {
            bury(tx, env, organization, &write.truth, &mut touched).await?;
        }
    }
    Ok(touched)
}

/// Writes the columns of living objects of one type.
async fn living_rows(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    (kind, writes): (ObjectType, &[&Write<'_>]),
    touched: &mut Touched,
) -> Result<()> {
    match kind {
        ObjectType::Product => {
            for (product, created_at) in writes.iter().filter_map(|write| model::product(write.value)) {
                projections::put_product(tx, organization, &product, created_at).await?;
                entitlements::store::upsert_tier(tx, env, organization, &product).await?;
            }
        }
        // Written with its member.
        ObjectType::Customer => {
            for customer in writes.iter().filter_map(|write| changed(write, model::customer)) {
                touched.methods.extend(customer.payment_method_id.clone());
                touched.customers.push(customer);
            }
        }
        ObjectType::Subscription => {
            let all: Vec<_> =
                writes.iter().filter_map(|write| changed(write, model::subscription)).collect();
            projections::put_subscriptions(tx, organization, &all).await?;
            for subscription in all {
                touched.methods.extend(subscription.payment_method_id);
                touched.payers.insert(subscription.customer_id);
            }
        }
        ObjectType::Invoice => {
            let mut all = Vec::with_capacity(writes.len());
            for write in writes {
                let Some(invoice) = changed(write, model::invoice) else { continue };
                let was = write.before.filter(|before| !model::is_deleted(before)).and_then(model::invoice);
                // Whether the subscription is late is only sure under the member's lock, so it is not asked here.
                if invoice.unpaid_since() != was.and_then(|was| was.unpaid_since()) {
                    touched.payers.extend(invoice.customer_id.clone());
                }
                all.push(invoice);
            }
            projections::put_invoices(tx, organization, &all).await?;
        }
        _ => columns::write(tx, organization, kind, writes).await?,
    }
    Ok(())
}

/// What is read of an object, unless the same was read of what was held: then nothing follows from the change, except
/// where it is written afresh.
pub(super) fn changed<T: PartialEq>(write: &Write<'_>, read: fn(&Value) -> Option<T>) -> Option<T> {
    let now = read(write.value)?;
    let known = write.before.filter(|before| !write.afresh && !model::is_deleted(before));
    let before = known.and_then(read);
    (before.as_ref() != Some(&now)).then_some(now)
}

async fn bury(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    truth: &Truth<'_>,
    touched: &mut Touched,
) -> Result<()> {
    projections::delete(tx, organization, truth.kind, truth.id).await?;
    match truth.kind {
        ObjectType::Subscription => {
            touched.payers.extend(facts::customer_of(tx, organization, truth.id).await?);
        }
        ObjectType::Product => {
            entitlements::store::retire_tier(tx, env, organization, truth.id).await?;
        }
        _ => {}
    }
    Ok(())
}

/// Links customers to members and derives what those may see. What is referred to and not here yet is sent for
/// or, where a walk most likely brings it, noted.
async fn follow(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    touched: &Touched,
    unknown: Unknown,
) -> Result<()> {
    if !touched.customers.is_empty() || !touched.payers.is_empty() {
        let links = link::link(tx, env, organization, &touched.customers, &touched.payers).await?;
        derive(tx, env, organization, &links).await?;
        match unknown {
            Unknown::Fetch => send_for(tx, env, organization, &links.unknown).await?,
            Unknown::Await => find_customers::await_them(tx, organization, &links.unknown).await?,
        }
    }
    refer::payment_methods(tx, env, organization, &touched.methods).await
}

/// Sends for customers whose subscriptions came before them.
async fn send_for(tx: &mut Tx, env: &Env, organization: &str, customers: &[String]) -> Result<()> {
    let mut jobs = Vec::new();
    for id in customers {
        jobs.push(NewJob::of(organization, &FetchObject::of(ObjectType::Customer, id))?);
    }
    outbox::enqueue_many(tx, env, jobs).await?;
    Ok(())
}

async fn derive(tx: &mut Tx, env: &Env, organization: &str, links: &link::Links) -> Result<()> {
    let ids: Vec<&str> = links.members.iter().map(String::as_str).collect();
    // The locks first: what is read after them is what the derivations before us have left.
    let before = members::store::lock_many(tx, organization, &ids).await?;
    let mut subscriptions = facts::subscriptions_of(tx, organization, &ids).await?;
    let members: Vec<_> = before
        .into_iter()
        .map(|member| {
            let of_member = subscriptions.remove(&member.id).unwrap_or_default();
            (member, of_member)
        })
        // Who has just joined and has no subscription has nothing that could change.
        .filter(|(member, of_member)| !of_member.is_empty() || !links.joined.contains(&member.id))
        .collect();
    entitlements::derive(tx, env, organization, &members).await
}
