//! (filled next)

use crate::kernel::{Data, Family};

/// This family.
pub const FAMILY: Family = Family { name: "entitlements", jobs: &[], schedules: &[], data: &[Data::Delete("entitlements")] };
