//! Creators: those within an organization whose members they are, a person or a brand.
//!
//! A member belongs to one creator at the most, and what is hers (subscriptions, purchases, invoices) follows from that. A
//! key of the API may be narrowed to one creator. An archived creator keeps her members and keys and gets no new ones.
//!
//! Wherever a creator is named, her id or her external id does; no external id begins like an id, so that one word never
//! means two. A creator's name is personal data: it stands in her row and nowhere else.

mod store;
#[cfg(test)]
mod tests;

pub use store::{Creator, Edit, New, create, edit, find, find_in, list, open};

use chrono_tz::Tz;

use crate::kernel::Family;

/// This family.
pub const FAMILY: Family = Family { name: "creators", jobs: &[], schedules: &[], data: &[] };

/// What the ids begin with.
pub const ID_PREFIX: &str = "crt_";
/// Characters of a creator's name.
pub const NAME_CHARS_MAX: usize = 255;
/// Characters of a time zone's name.
pub const TIME_ZONE_CHARS_MAX: usize = 64;
/// Characters of her id in the organization's own systems.
pub const EXTERNAL_ID_CHARS_MAX: usize = 255;

/// Why nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The organization has no such creator.
    #[error("there is no such creator: give the id or the external id of one")]
    NoCreator,
    /// A text is not within its bounds.
    #[error("{0} must have 1 to {1} characters")]
    Bounds(&'static str, usize),
    /// An external id could be taken for an id.
    #[error("external_id must not begin with {ID_PREFIX}, as ids do")]
    LooksLikeAnId,
    /// The time zone is none.
    #[error("`{0}` is no time zone: give a name of the IANA database such as Europe/Paris")]
    TimeZone(String),
    /// Another creator has the external id.
    #[error("the external id is that of creator {0}: change that one, or give another")]
    ExternalIdTaken(String),
    /// She is archived.
    #[error("the creator {0} is archived: restore her first, or name another")]
    Archived(String),
}

/// What came of it: the row is written, or nothing is.
pub type Outcome<T> = std::result::Result<T, Refused>;

fn check(name: Option<&str>, external_id: Option<&str>, time_zone: Option<&str>) -> Outcome<()> {
    for (field, text, max) in [
        ("name", name, NAME_CHARS_MAX),
        ("external_id", external_id, EXTERNAL_ID_CHARS_MAX),
    ] {
        let fits = |text: &str| (1..=max).contains(&text.chars().count()) && !text.contains('\0');
        if !text.is_none_or(fits) {
            return Err(Refused::Bounds(field, max));
        }
    }
    if let Some(unknown) = time_zone.filter(|name| name.parse::<Tz>().is_err()) {
        return Err(Refused::TimeZone(unknown.to_owned()));
    }
    match external_id.filter(|id| id.starts_with(ID_PREFIX)) {
        Some(_) => Err(Refused::LooksLikeAnId),
        None => Ok(()),
    }
}
