//! Who may call the API: organizations and their keys.

use crate::kernel::Family;

/// This family.
pub const FAMILY: Family = Family { name: "access", jobs: &[], schedules: &[], data: &[] };
