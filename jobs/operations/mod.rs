//! What is written to Stripe: decided here, committed, then sent, with one effect whatever happens in between.
//!
//! **Decide.** An [`Order`] of a person becomes one or several operations, or is refused ([`order()`]). An operation is
//! a row: the request as it will be sent, its fingerprint, and the idempotency key `memberd:{id}`. It commits together
//! with its job, before anything is sent; a dry run is the same transaction, dropped.
//!
//! **Send.** The job notes that it sends and commits that, asks Stripe, and writes what came of it: state, the object in
//! the mirror and the end of the job in one transaction. Each repetition carries the same key, so Stripe does it once.
//!
//! **Doubt.** Without an answer the outcome is unknown, and the same request is sent again. Stripe forgets keys after a
//! day; from then on its effect is looked up before anything is sent (`resolve.rs`). The same look decides when Stripe
//! refuses the repetition of something that may have happened.
//!
//! **Order.** Operations on one object are sent one after the other, in the order in which they were decided. Steps of
//! one whole wait for the success of the step before.
//!
//! **Places.** A tier may have a limit. A checkout is decided under the lock of its tier and reserves a place until its
//! page at Stripe has closed ([`checkout`](CheckoutOrder)), so that the last place is given once.

mod catalog;
mod checkout;
mod create;
mod end;
mod model;
mod order;
pub mod requests;
mod resolve;
mod send_operation;
pub mod store;
mod subscriptions;

#[cfg(test)]
mod tests;

pub use catalog::{CatalogOrder, Interval, NewPlan, TierPrices};
pub use checkout::CheckoutOrder;
pub use model::{Kind, METADATA, Request, State};
pub use order::{Order, Orderer, Placed, Refusal, order};
pub use send_operation::{SendOperation, send_now};

use crate::kernel::{Data, Family, JobDef};

/// This family.
pub const FAMILY: Family = Family {
    name: "operations",
    jobs: &[JobDef::of::<SendOperation>()],
    schedules: &[],
    data: &[
        // The words that she gave as her reason are in the form.
        Data::Anonymise("stripe_operations"),
        Data::Delete("tier_reservations"),
    ],
};
