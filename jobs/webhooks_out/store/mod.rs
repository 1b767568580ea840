//! The SQL of the family.

pub mod deliveries;
pub mod endpoints;
pub(super) mod events;
pub mod secrets;
