//! (filled next)

use crate::kernel::Family;

/// This family.
pub const FAMILY: Family = Family { name: "sync", jobs: &[], schedules: &[], data: &[] };
