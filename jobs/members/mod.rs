//! (filled next)

use crate::kernel::Family;

/// This family.
pub const FAMILY: Family = Family { name: "members", jobs: &[], schedules: &[], data: &[] };
