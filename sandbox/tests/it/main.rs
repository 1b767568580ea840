//! The sandbox as its users see it: over HTTP, on a free port.

#![expect(clippy::unwrap_used, reason = "helpers of tests panic like tests do")]

mod billing;
mod billing_support;
mod changes;
mod checkout;
mod connect;
mod faults;
mod idempotency;
mod inspector;
mod lists;
mod refunds;
mod resources;
mod shapes;
mod support;
mod webhooks;
