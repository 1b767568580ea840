//! The daemon memberd: how the core in `memberd-jobs` is reached and what it reaches.

pub mod api;
