//! The daemon's life: what it is made of, what it tells, how it ends.

pub mod health;
