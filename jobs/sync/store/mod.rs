//! The tables of the mirror: received events, raw objects, projections, cursors.

pub mod conflicts;
pub mod cursors;
pub mod events;
pub mod facts;
pub mod flags;
pub mod known;
pub mod links;
pub mod objects;
pub mod parked;
pub mod projections;
pub mod read;
pub mod rebuild;
pub mod runs;
pub mod standing;
pub mod status;
