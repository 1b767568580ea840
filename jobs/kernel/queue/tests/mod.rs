//! The queue's promises, each on both databases. `docs/guarantees.md` names the test of every promise.

mod ack;
mod claim;
mod lease;
mod prune;
mod runs;
mod schedules;
