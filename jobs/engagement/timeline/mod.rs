//! What a member did, as it was told.

mod store;

pub use store::{Happened, newest};
