//! The mirror of Stripe: what was received, what is true there, and what we derive from it.
//!
//! **In.** A webhook or the polling of `/v1/events` brings an event. [`receive`] stores it, and one [`ApplyEvents`] job
//! for its organization waits, in the same transaction.
//!
//! **Apply.** The job reads many events at once and writes what they carry where it is provably newer than what is held
//! (`order.rs`, `docs/decisions/0012`). Raw objects, projections, links, members, entitlements and the events' state
//! commit together. The derivations are functions of the present mirror, so any order of arrival ends the same.
//!
//! **Fetch.** Where events of one second contradict each other, or cannot be read as they are, a [`FetchObject`] job asks
//! Stripe. Jobs for one object fold while they wait and never run two at a time, so a burst costs one request.
//!
//! **Rebuild.** The projections are functions of the raw objects, so they can be written anew from them
//! (`reproject.rs`), for instance when a newer memberd reads more.
//!
//! **Repair.** What no event announced is found by walking Stripe's lists (`walk.rs`), nightly and on demand. In what the
//! mirror was not equal stays on record (`drift.rs`), and what is equal is left alone.

mod account;
mod apply;
mod apply_events;
mod backfill_objects;
mod batch;
mod columns;
mod compare;
mod conflicts;
mod derive_members;
mod diff;
mod drift;
mod fetch_object;
mod find_customers;
mod link;
pub mod model;
mod order;
mod park;
mod poll_events;
mod prune_event_bodies;
mod receive;
mod reconcile_objects;
mod refer;
mod reproject;
mod review_links;
mod standing;
pub mod store;
mod walk;

#[cfg(test)]
mod tests;

pub use account::{OtherAccount, other_account};
pub use apply_events::{ApplyEvents, read_what_an_older_one_left};
pub use backfill_objects::BackfillObjects;
pub use compare::{Difference, Drift};
pub use derive_members::{DeriveMembers, derive_if_policy_changed};
pub use diff::{Comparison, DiffError, diff};
pub use fetch_object::FetchObject;
pub use find_customers::FindCustomers;
pub use poll_events::PollEvents;
pub use prune_event_bodies::PruneEventBodies;
pub use receive::{Arrived, ReceiveError, Received, Source, receive, replay, store_each as store_events};
pub use reconcile_objects::ReconcileObjects;
pub use reproject::{Progress, reproject};
pub use review_links::ReviewLinks;
pub use standing::{MemberSync, SyncState, standing};

use crate::kernel::{CatchUp, Data, Family, JobDef, Schedule};

/// This family.
pub const FAMILY: Family = Family {
    name: "sync",
    jobs: &[
        JobDef::of::<ApplyEvents>(),
        JobDef::of::<FetchObject>(),
        JobDef::of::<FindCustomers>(),
        JobDef::of::<PollEvents>(),
        JobDef::of::<BackfillObjects>(),
        JobDef::of::<ReconcileObjects>(),
        JobDef::of::<PruneEventBodies>(),
        JobDef::of::<DeriveMembers>(),
        JobDef::of::<ReviewLinks>(),
    ],
    schedules: &[
        schedule("sync.poll_events", "0 */5 * * * *"),
        schedule("sync.reconcile_objects", "0 40 3 * * *"),
        schedule("sync.review_links", "0 20 4 * * *"),
        schedule("sync.prune_event_bodies", "0 50 4 * * *"),
    ],
    data: &[
        Data::Anonymise("customers"),
        Data::Delete("stripe_objects"),
        Data::Delete("stripe_events"),
        Data::Delete("link_conflicts"),
        Data::Keep("subscriptions", "holds ids and times only; the ledger refers to it"),
        Data::Keep("subscription_items", "holds ids and amounts only; the ledger refers to it"),
        Data::Keep("invoices", "tax law asks for it; holds ids and amounts only"),
        Data::Keep("invoice_payments", "belongs to the invoices; holds ids and amounts only"),
        Data::Keep("charges", "belongs to the invoices; holds ids and amounts only"),
        Data::Keep("refunds", "belongs to the invoices; holds ids and amounts only"),
        Data::Keep("subscription_schedules", "holds ids and times only"),
        Data::Delete("payment_methods"),
        Data::Delete("checkout_sessions"),
        Data::Keep("sync_drift", "holds ids, words of Stripe and lengths only; forgotten after 90 days"),
    ],
};

const fn schedule(kind: &'static str, cron: &'static str) -> Schedule {
    Schedule { name: kind, kind, args: "{}", cron, timezone: "UTC", catch_up: CatchUp::One }
}
