//! The daemon's life: what it is made of, what it tells, how it ends.

pub mod claim;
pub mod daemon;
pub mod health;
pub mod http;
pub mod shutdown;
pub mod telemetry;
pub mod wiring;
