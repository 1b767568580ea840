//! The shell of memberd: how it is reached and what it reaches.

pub mod config;
pub mod ingest;
pub mod stripe;
