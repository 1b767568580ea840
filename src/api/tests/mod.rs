//! The API as its callers meet it, through the whole router.

mod access;
mod activity;
mod catalog;
mod contract;
mod creators;
mod document;
mod engagement;
mod installation;
mod jobs;
mod members;
mod members_again;
mod members_written;
mod mirror;
mod moved;
mod open;
mod operations;
mod organizations;
mod rates;
mod repeated;
mod server;
mod support;
mod tokens;
mod tokens_revoked;
mod webhooks;
