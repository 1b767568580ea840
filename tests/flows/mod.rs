//! The real daemon against the sandbox, over HTTP only, on both databases.

mod activity;
mod arrival;
mod catalog;
mod checkout;
mod commands;
mod demo;
mod duplicates;
mod engagement;
mod faults;
mod limits;
mod missed;
mod nodes;
pub(crate) mod operations;
mod order;
mod organizations;
mod refused;
mod roles;
mod roster;
mod schema;
mod secrets;
mod stopping;
mod tokens;
mod weather;
mod webhooks;
