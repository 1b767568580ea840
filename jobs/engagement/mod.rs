//! Engagement: what members do, counted by day, and the score and the level that follow from it.

mod model;

pub use model::{Day, Formula, Sums, Weights, level_by_folding, local_day, whole};

use crate::kernel::Family;

/// This family.
pub const FAMILY: Family = Family { name: "engagement", jobs: &[], schedules: &[], data: &[] };
