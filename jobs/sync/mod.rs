//! (filled next)

use crate::kernel::{Data, Family};

/// This family.
pub const FAMILY: Family = Family { name: "sync", jobs: &[], schedules: &[], data: &[Data::Anonymise("customers")] };
