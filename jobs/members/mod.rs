//! Members: who they are, and how other systems call them.
//!
//! A member belongs to one organization. Her address is unique among its living members; other systems know her by
//! foreign keys (`stripe:cus_…`). What she may see is not decided here but in `entitlements`, and what else follows from
//! what people write about her in `roster`.

pub mod details;
mod disagreement;
mod edit;
pub mod model;
pub mod store;

#[cfg(test)]
mod tests;

pub use details::{Details, Invalid, Key, Meta};
pub use edit::{Edit, KeysEdit, MetaEdit};
pub use disagreement::{Disagreement, Whereabouts, disagreements};
pub use model::{BillingStatus, EMAIL_CHARS_MAX, Link, LinkSources, NewMember, Whose, link, normalize_email};

use crate::kernel::{Data, Family};

/// This family.
pub const FAMILY: Family = Family {
    name: "members",
    jobs: &[],
    schedules: &[],
    data: &[
        Data::Anonymise("members"),
        Data::Delete("member_keys"),
        Data::Delete("member_tags"),
        Data::Delete("events"),
    ],
};
