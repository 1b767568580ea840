//! How well a member's payments are mirrored, in one word and with all that the word rests on.

use super::{
    FetchObject,
    apply::stripe_of,
    store::{
        conflicts::{self, Conflict},
        objects::Scope,
        runs,
        standing::{self as store, CustomerSync, Held, OfMember, OpenEvent, Standing},
    },
};
use crate::{
    kernel::{
        Env, Timestamp,
        db::Result,
        outbox::{self, NewJob},
        queue::schedules,
    },
    members::Disagreement,
};

/// How well a member's payments are mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SyncState {
    /// Nothing is waiting, nothing failed, nothing is known to differ.
    InSync,
    /// Events are being worked on.
    Pending,
    /// A comparison found that Stripe says something else, and it is being fetched.
    Drift,
    /// An event failed, and nothing newer was learnt since.
    Error,
    /// Her customer's metadata names another organization's member.
    Foreign,
    /// She has no customer at Stripe.
    NoCustomer,
}

impl SyncState {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::InSync, Self::Pending, Self::Drift, Self::Error, Self::Foreign, Self::NoCustomer];

    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InSync => "in_sync",
            Self::Pending => "pending",
            Self::Drift => "drift",
            Self::Error => "error",
            Self::Foreign => "foreign",
            Self::NoCustomer => "no_customer",
        }
    }
}

/// A member's payment-sync status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberSync {
    /// In a word: the worst that is true.
    pub state: SyncState,
    /// What the mirror knows.
    pub standing: Standing,
    /// Where the sources of her customers do not agree.
    pub conflicts: Vec<Conflict>,
}

/// How well a member's payments are mirrored.
///
/// # Errors
/// When the database cannot be read.
pub async fn standing(env: &Env, organization: &str, member: &str) -> Result<MemberSync> {
    let known = read(env, organization, member).await?;
    let conflicts = conflicts::of_member(&env.db, organization, member).await?;
    let foreign = Disagreement::MetadataForeign.as_str();
    let state = if known.customers.is_empty() {
        SyncState::NoCustomer
    } else if conflicts.iter().any(|conflict| conflict.kind == foreign) {
        SyncState::Foreign
    } else if known.failed_events() > 0 {
        SyncState::Error
    } else if !known.drift.is_empty() {
        SyncState::Drift
    } else if known.pending_events() > 0 {
        SyncState::Pending
    } else {
        SyncState::InSync
    };
    Ok(MemberSync { state, standing: known, conflicts })
}

async fn read(env: &Env, organization: &str, member: &str) -> Result<Standing> {
    let stripe = stripe_of(env, organization);
    let scope = Scope { organization, stripe: &stripe };
    let Held { mut customers, objects } = store::held(&env.db, &scope, member).await?;
    let mut known = Standing {
        reconciled_at: runs::last_done(&env.db, organization).await?,
        next_check_at: next_check_at(&schedules::all(&env.db).await?),
        ..Standing::default()
    };
    if customers.is_empty() {
        return Ok(known);
    }
    let ids: Vec<&str> = objects.iter().map(|object| object.id.as_str()).collect();
    let (waiting, failed) = store::open_events(&env.db, organization, &ids).await?;
    for customer in &mut customers {
        let hers = objects.iter().filter(|object| object.customer_id == customer.id);
        note(customer, &hers.collect::<Vec<_>>(), &waiting, &failed);
    }
    known.customers = customers;
    known.last_event = store::last_event(&env.db, organization, &ids).await?;
    known.drift = drift(env, organization, &objects, &waiting).await?;
    Ok(known)
}

/// Notes what is known of a customer by its `objects` and the open events.
fn note(
    customer: &mut CustomerSync,
    objects: &[&OfMember],
    waiting: &[OpenEvent],
    failed: &[OpenEvent],
) {
    let of = |event: &OpenEvent| objects.iter().find(|object| object.id == event.object_id);
    // What was learnt after an event failed has made it good.
    let still = |event: &&OpenEvent| {
        of(event).is_some_and(|object| object.as_of.is_none_or(|as_of| as_of <= event.created_at))
    };
    let failed: Vec<&OpenEvent> = failed.iter().filter(still).collect();
    let waiting = waiting.iter().filter(|event| of(event).is_some()).count();
    customer.pending_events = count(waiting);
    customer.failed_events = count(failed.len());
    customer.last_error = failed.last().and_then(|event| event.error.clone());
    let counts = objects.iter().filter(|object| object.counts);
    customer.oldest_as_of = counts.filter_map(|object| object.as_of).min();
}

fn count(events: usize) -> i64 {
    i64::try_from(events).unwrap_or(i64::MAX)
}

/// Objects that are being fetched without an event's asking for it: a comparison has found that they differ.
async fn drift(
    env: &Env,
    organization: &str,
    objects: &[OfMember],
    waiting: &[OpenEvent],
) -> Result<Vec<(String, String)>> {
    let is_asked = |object: &&OfMember| !waiting.iter().any(|event| event.object_id == object.id);
    let objects: Vec<&OfMember> = objects.iter().filter(is_asked).collect();
    let mut jobs = Vec::with_capacity(2 * objects.len());
    for object in &objects {
        // Whoever was told of a change, and any reconciliation that did not meet it.
        for run in [None, Some(String::new())] {
            let job = FetchObject { object_type: object.kind.clone(), id: object.id.clone(), run };
            jobs.push(NewJob::of(organization, &job)?);
        }
    }
    let wait = outbox::waiting(&env.db, &jobs).await?;
    let wait = wait.chunks(2).map(|either| either.contains(&true));
    let fetched = objects.into_iter().zip(wait).filter(|(_, waits)| *waits);
    let mut found: Vec<_> =
        fetched.map(|(object, _)| (object.kind.clone(), object.id.clone())).collect();
    found.sort_unstable();
    Ok(found)
}

/// When the next schedule fires that asks Stripe by itself.
fn next_check_at(rows: &[schedules::Row]) -> Option<Timestamp> {
    let asks = |row: &&schedules::Row| {
        ["sync.poll_events", "sync.reconcile_objects"].contains(&row.name.as_str())
            && row.enabled
            && row.paused_at.is_none()
    };
    rows.iter().filter(asks).filter_map(|row| row.next_due).min()
}
