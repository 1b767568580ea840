//! The roster: what people write about members, and what follows from it for access and for the links to Stripe.
//!
//! Members come from Stripe by themselves (`sync`); here they are made, changed, deleted and restored by people, over the
//! API or from a file. What can be written is in `members::details`.
//!
//! **Addresses and foreign keys** belong to one member of an organization. Whoever takes another's is refused and told
//! whose it is, also when both ask at the same moment.
//!
//! **Links** to Stripe's customers are worked out by `sync` alone: a customer whose key was written here is asked for
//! anew, and customers whose member was not plain are looked at again. Nothing is merged, and no link is moved.
//!
//! **Deleted** members keep everything they had but their access and their address; restored, they have it again, unless
//! somebody else has got the address meanwhile.

mod create;
mod edit;
mod follow;
mod import;
mod leave;
pub mod record;

#[cfg(test)]
mod creator_tests;
#[cfg(test)]
mod import_tests;
#[cfg(test)]
mod tests;

pub use create::{NewMember, create};
pub use edit::{Whom, edit};
pub use import::{Fate, import};
pub use leave::{delete, restore};

use crate::{
    creators,
    kernel::Family,
    members::{Invalid, Key},
};

/// This family. What it writes is declared by those whose tables they are.
pub const FAMILY: Family = Family { name: "roster", jobs: &[], schedules: &[], data: &[] };

/// Why nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such member.
    #[error("there is no such member")]
    NoMember,
    /// The member is deleted.
    #[error("the member is deleted: restore her first")]
    Deleted,
    /// Somebody has changed her since the caller looked.
    #[error("she was changed meanwhile: look again and decide anew")]
    Changed,
    /// A value is not allowed.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Another living member has the address.
    #[error("the address is that of member {0}: change that one, or give another address")]
    EmailTaken(String),
    /// Another member has the foreign key.
    #[error("the key of {} is that of member {member}: take it from that one, or give another", key.provider)]
    KeyTaken {
        /// The key.
        key: Key,
        /// Whose it is; she may be deleted.
        member: String,
    },
    /// The key is that of a customer who is linked to her.
    #[error("the Stripe customer {0} is linked to her, so its key stays: a link is never moved")]
    KeyLinked(String),
    /// She cannot be that creator's.
    #[error(transparent)]
    Creator(#[from] creators::Refused),
}

impl Refused {
    /// The field that it is about.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::NoMember | Self::Deleted | Self::Changed => "id",
            Self::Invalid(invalid) => invalid.field,
            Self::EmailTaken(_) => "email",
            Self::KeyTaken { .. } | Self::KeyLinked(_) => "foreign_keys",
            Self::Creator(_) => "creator_id",
        }
    }
}

/// What came of it: the rows are written, or nothing is.
pub type Outcome<T> = std::result::Result<T, Refused>;
