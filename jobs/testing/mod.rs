//! What tests need: a database of either kind that is theirs alone, a clock that stands still, a Stripe that says what
//! it is told, and a way to run what was enqueued.
//!
//! Compiled for this crate's own tests and, with the feature `testing`, for those of other crates. It panics instead of
//! returning errors: a test that cannot be set up has failed.

mod cluster;
#[cfg(test)]
pub(crate) mod crowd;
mod db;
mod drain;
pub mod engaged;
#[cfg(test)]
pub(crate) mod plan;
mod postgres;
mod receivers;
mod signal;
mod stripe;

pub use cluster::Server;
pub use db::{Engine, START, TestDb};
pub use drain::Drained;
pub use receivers::{FakeReceivers, Sent, silence, status};
pub use signal::signal;
pub use stripe::{Call, FakeStripe};

/// Makes each test run on SQLite and on PostgreSQL, as `name::sqlite` and `name::postgres`.
///
/// ```text
/// both! {
///     async fn a_new_database_has_no_jobs(db: TestDb) {
///         assert_eq!(db.count("jobs").await, 0);
///     }
/// }
/// ```
#[macro_export]
macro_rules! both {
    ($($(#[$meta:meta])* async fn $name:ident($db:ident: TestDb) $body:block)+) => {
        $(
            $(#[$meta])*
            mod $name {
                #[allow(
                    unused_imports,
                    clippy::allow_attributes,
                    reason = "a test may need nothing from around it"
                )]
                use super::*;

                async fn test($db: $crate::testing::TestDb) $body

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn sqlite() {
                    test($crate::testing::TestDb::sqlite().await).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn postgres() {
                    test($crate::testing::TestDb::postgres().await).await;
                }
            }
        )+
    };
}
