//! (filled next)

use crate::kernel::{Data, Family};

/// This family.
pub const FAMILY: Family = Family { name: "members", jobs: &[], schedules: &[], data: &[Data::Anonymise("members"), Data::Delete("member_keys")] };
