//! x
pub mod ingest;
pub mod stripe;
