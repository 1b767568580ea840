//! The shell of memberd: how it is reached and what it reaches.

pub mod api;
mod cause;
pub mod cli;
pub mod commands;
pub mod config;
pub mod ingest;
pub mod jwt;
pub mod picture;
pub mod queue;
pub mod runtime;
pub mod stripe;
#[cfg(test)]
mod testing;
pub mod webhooks_out;
