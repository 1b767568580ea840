//! What keeps the database small: history is pruned by age and by number.

mod prune_jobs;

pub use prune_jobs::PruneJobs;

use crate::kernel::{CatchUp, Data, Family, JobDef, Schedule};

/// This family.
pub const FAMILY: Family = Family {
    name: "housekeeping",
    jobs: &[JobDef::of::<PruneJobs>()],
    schedules: &[Schedule {
        name: "housekeeping.prune_jobs",
        kind: "housekeeping.prune_jobs",
        args: "{}",
        cron: "0 17 * * * *",
        timezone: "UTC",
        catch_up: CatchUp::One,
    }],
    // The kernel's own tables.
    data: &[
        Data::Keep("jobs", "holds ids and figures only"),
        Data::Keep("jobs_done", "holds ids and figures only, and is pruned"),
    ],
};
