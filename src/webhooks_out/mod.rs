//! The servers of others, over the network: what they are signed, and where nothing is ever sent.
//!
//! The core decides what is sent when (`jobs/webhooks_out`); here is how. `addresses` is the table of addresses that are
//! refused, `target` reads a URL, `names` resolves what is no address, and both ask the table: when an endpoint is made,
//! and again for each connection, because what a name means can change in between.

mod addresses;
mod names;
mod secrets;
mod sender;
pub mod signature;
mod target;
#[cfg(test)]
mod tests;

pub use addresses::Addresses;
pub use names::{Names, SystemNames};
pub use secrets::Keys;
pub use sender::{Options, Sender};
