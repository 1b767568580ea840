//! (filled next)

use crate::kernel::Family;

/// This family.
pub const FAMILY: Family = Family { name: "entitlements", jobs: &[], schedules: &[], data: &[] };
