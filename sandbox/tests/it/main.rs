//! The sandbox as its users see it: over HTTP, on a free port.

mod billing;
mod faults;
mod idempotency;
mod inspector;
mod lists;
mod resources;
mod shapes;
mod support;
mod webhooks;
