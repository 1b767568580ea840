//! Where the sources of a customer's link do not agree. Pure.

use super::LinkSources;

/// One way in which the sources do not agree with the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disagreement {
    /// The metadata names no member of any organization, or a deleted one.
    MetadataUnknown,
    /// The metadata names another organization's member.
    MetadataForeign,
    /// The metadata names another member than the one the customer is linked to.
    MetadataDiffers,
    /// The foreign key is another member's.
    ForeignKeyDiffers,
    /// The address is that of another member, who has proved that it is hers.
    EmailDiffers,
    /// The address is that of another member, who has not proved that it is hers.
    EmailTaken,
}

impl Disagreement {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::MetadataUnknown,
        Self::MetadataForeign,
        Self::MetadataDiffers,
        Self::ForeignKeyDiffers,
        Self::EmailDiffers,
        Self::EmailTaken,
    ];

    /// The word in table and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MetadataUnknown => "metadata_unknown",
            Self::MetadataForeign => "metadata_foreign",
            Self::MetadataDiffers => "metadata_differs",
            Self::ForeignKeyDiffers => "foreign_key_differs",
            Self::EmailDiffers => "email_differs",
            Self::EmailTaken => "email_taken",
        }
    }
}

/// Where an id that some metadata names belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// A living member of this organization.
    Here,
    /// A member of another organization.
    Elsewhere,
    /// Nobody, or nobody any more.
    Nowhere,
}

/// What does not agree with the link to `member`, with whom the other source names. `named` is what the customer's
/// metadata says, and where that is.
pub fn disagreements(
    member: &str,
    named: Option<(&str, Whereabouts)>,
    sources: &LinkSources,
) -> Vec<(Disagreement, String)> {
    let metadata = named.filter(|(id, _)| *id != member).map(|(id, place)| {
        let kind = match place {
            Whereabouts::Here => Disagreement::MetadataDiffers,
            Whereabouts::Elsewhere => Disagreement::MetadataForeign,
            Whereabouts::Nowhere => Disagreement::MetadataUnknown,
        };
        (kind, id.to_owned())
    });
    let key = sources.by_foreign_key.as_ref().filter(|other| *other != member);
    let key = key.map(|other| (Disagreement::ForeignKeyDiffers, other.clone()));
    let email = sources.by_email.as_ref().filter(|(other, _)| other != member);
    let email = email.map(|(other, verified)| {
        let kind =
            if *verified { Disagreement::EmailDiffers } else { Disagreement::EmailTaken };
        (kind, other.clone())
    });
    metadata.into_iter().chain(key).chain(email).collect()
}
