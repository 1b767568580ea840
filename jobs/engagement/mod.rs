//! Engagement: what members do, counted by day, and the score and the level that follow from it.
//!
//! **In.** Interactions are told over the API ([`receive`]), each once by its source and id, with the local day of the
//! member's creator, worked out there and then. They wait in an inbox, and [`CountInteractions`] adds them to members' days.
//!
//! **Scores** are a function of the days, of the definition in the configuration and of the present day (`model.rs`), in integers, so
//! that whatever the order, the batches and the database, the bits are the same. They are kept up to date as interactions are counted and as
//! days turn ([`TurnDays`]); built anew from the days ([`RebuildScores`]) they must be the same, which [`VerifyScores`] looks after.
//!
//! **Levels** have memory, so they are a fold over days (`standing.rs`); `walk.rs` finds where it can begin.
//!
//! **Locks.** Whoever changes an organization's scores holds the lock on its row in `engagement_state`, and takes it before any
//! member's (`docs/decisions/0024`).

pub mod analytics;
pub mod calibrate;
mod count;
mod count_interactions;
pub mod days;
pub mod definition;
pub mod milestones;
mod model;
mod moves;
mod receive;
mod rebuild_scores;
pub mod score;
mod sizes;
mod standing;
pub mod store;
mod tell;
#[cfg(test)]
mod tests;
pub mod timeline;
mod turn_days;
mod verify_scores;
pub mod versions;
mod walk;

pub use count_interactions::CountInteractions;
pub use model::{Day, Formula, Sums, Weights, level_by_folding, local_day, overflowing, whole};
pub use moves::{lock, move_member};
pub use rebuild_scores::{RebuildScores, rebuild};
pub use receive::{
    DEFAULT_SOURCE, DETAILS_BYTES_MAX, ID_CHARS_MAX, ITEMS_MAX, Item, Received, Refusal,
    SECONDS_MAX, SOURCE_CHARS_MAX, receive,
};
pub use tell::LEVEL_CHANGED;
pub use turn_days::TurnDays;
pub use verify_scores::{Verified, VerifyScores, verify};

use crate::kernel::{CatchUp, Data, Family, JobDef, Schedule};

/// This family. `activity_days` and `member_scores` know a member by the number that `engagement_members` has for her id, so
/// their rows are deleted before that one.
pub const FAMILY: Family = Family {
    name: "engagement",
    jobs: &[
        JobDef::of::<CountInteractions>(),
        JobDef::of::<TurnDays>(),
        JobDef::of::<RebuildScores>(),
        JobDef::of::<VerifyScores>(),
        JobDef::of::<days::SnapshotDays>(),
        JobDef::of::<milestones::TellMilestones>(),
    ],
    schedules: &[
        schedule("engagement.turn_days", "0 2 * * * *"),
        schedule("engagement.verify_scores", "0 10 5 * * SUN"),
        schedule("engagement.snapshot_days", "0 20 * * * *"),
        schedule("engagement.tell_milestones", "0 40 * * * *"),
    ],
    data: &[
        Data::Delete("interactions"),
        Data::Delete("interaction_inbox"),
        Data::Delete("activity_days"),
        Data::Delete("member_scores"),
        Data::Delete("engagement_members"),
        Data::Delete("member_milestones"),
        Data::Keep("audience_activity", "counts of all members of a creator together"),
    ],
};

const fn schedule(kind: &'static str, cron: &'static str) -> Schedule {
    Schedule { name: kind, kind, args: "{}", cron, timezone: "UTC", catch_up: CatchUp::One }
}
