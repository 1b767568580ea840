//! The queue's promises, each on both databases. `docs/guarantees.md` names the test of every promise.

mod ack;
mod claim;
mod history;
mod lease;
mod model;
mod prune;
mod round;
mod runs;
mod schedules;
