//! The state that is kept, against the definition in its plainest form.

mod history;
mod rules;
mod steps;
mod world;
