//! Stripe, both directions: [`StripeClient`] asks and orders, [`signature`] tells a real webhook from a forged one.
//!
//! Paths and parameters come from async-stripe's generated request builders (`requests`). Sending is ours
//! (`transport`): one pooled HTTP client, a budget for each organization and direction (`budget`), Stripe's words
//! about retries obeyed (`answer`), an idempotency key on every write. Answers stay raw JSON: a field or an enum value
//! that this version does not know is no error.

mod answer;
mod budget;
mod client;
mod endpoints;
mod requests;
pub mod signature;
mod transport;

#[cfg(test)]
mod tests;

pub use client::{Account, StripeClient};
