//! What keeps the database small: history is pruned by age and by number.

mod prune_idempotency_keys;
mod prune_jobs;

pub use prune_idempotency_keys::PruneIdempotencyKeys;
pub use prune_jobs::PruneJobs;

use crate::kernel::{CatchUp, Data, Family, JobDef, Schedule};

/// This family.
pub const FAMILY: Family = Family {
    name: "housekeeping",
    jobs: &[
        JobDef::of::<PruneJobs>(),
        JobDef::of::<PruneIdempotencyKeys>(),
    ],
    schedules: &[
        schedule("housekeeping.prune_jobs", "0 17 * * * *"),
        schedule("housekeeping.prune_idempotency_keys", "0 27 * * * *"),
    ],
    // The kernel's own tables.
    data: &[
        Data::Keep("jobs", "holds ids and figures only"),
        Data::Keep("jobs_done", "holds ids and figures only, and is pruned"),
    ],
};

const fn schedule(kind: &'static str, cron: &'static str) -> Schedule {
    Schedule {
        name: kind,
        kind,
        args: "{}",
        cron,
        timezone: "UTC",
        catch_up: CatchUp::One,
    }
}
