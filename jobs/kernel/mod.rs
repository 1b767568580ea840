//! What every family shares, and the rules of the house.
//!
//! **A job runs at least once.** It ends only when its end is committed; a crash runs it again. So a run reads the
//! state afresh, and every effect either has a key that makes the second time harmless, or commits together with the
//! end of the job ([`Context::complete_in`]), which makes it happen exactly once.
//!
//! **One change, one transaction.** Rows, events ([`events::emit`]) and follow-up jobs ([`outbox::enqueue`]) are
//! written through one [`db::Tx`] and commit together. A network call never happens inside a transaction: first ask,
//! then decide, then write.
//!
//! **Order is the event's, not the arrival's.** Messages come twice, late and in any order. What is written carries
//! the time as of which it was true, and older truth never overwrites newer. What was lost is found by reconcilers
//! that compare whole states; they take no input, so nothing can be forgotten in it.
//!
//! **A lease is not a lock.** A process can sleep through its lease and wake up believing that it still owns the job.
//! Everything it says is checked against the fence of its claim, and what it wants to write must be in a transaction
//! that checks the same fence.
//!
//! **Time and chance are arguments.** [`Clock`] and [`Chance`] come with the [`Env`]; nothing asks the machine. The
//! same seed gives the same ids.
//!
//! **Nothing personal travels.** Arguments, reports, errors and events hold ids and figures. Addresses and names stay
//! in the tables that the deletion cascade knows (`data` in each [`Family`]).

mod clock;
mod context;
pub mod db;
pub mod events;
mod family;
pub mod idempotency;
mod ids;
mod job;
pub mod limits;
mod money;
pub mod outbox;
#[cfg(test)]
mod outbox_tests;
pub mod policy;
pub mod ports;
pub mod queue;
mod registry;
pub mod schedule;
pub mod scoring;
#[cfg(test)]
mod test_jobs;

pub use clock::{Clock, SystemClock, TestClock, Timestamp, millis};
pub use context::{Context, Env};
pub use family::{CatchUp, Data, Family, Schedule};
pub use ids::{Chance, first_id};
pub use job::{Job, JobDef, JobError, JobResult, OrFail, Read, Report, Retry, Unique};
pub use money::{Currency, Money, MoneyError};
pub use ports::Settings;
pub use registry::Registry;

/// Declares the families, in dependency order, and the list of all of them.
macro_rules! families {
    ($($name:ident),* $(,)?) => {
        // What a family writes down as a macro for SQL can be used by those below it.
        $(#[macro_use] pub mod $name;)*
        /// Every family, in dependency order.
        pub const FAMILIES: &[&$crate::kernel::Family] = &[$(&$name::FAMILY),*];
    };
}
pub(crate) use families;
