//! What a member is, and how a Stripe customer finds hers. Pure.

use crate::kernel::Timestamp;

/// Characters of an address: as many as SMTP can carry bytes (RFC 5321, section 4.5.3.1.3, less the angle brackets).
pub const EMAIL_CHARS_MAX: usize = 254;

/// Where a member stands with her payments, over all her subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BillingStatus {
    /// Never subscribed.
    None,
    /// Had a subscription, has none any more.
    Churned,
    /// Collection is paused.
    Paused,
    /// Pays, is on trial, or is within the grace of a failed payment.
    Active,
}

impl BillingStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::None, Self::Churned, Self::Paused, Self::Active];

    /// The word in table and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Churned => "churned",
            Self::Paused => "paused",
            Self::Active => "active",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// Whose rows to list. What is `None` does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Whose<'a> {
    /// This member's.
    pub member: Option<&'a str>,
    /// Those of this creator's members.
    pub creator: Option<&'a str>,
}

/// A member to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMember {
    /// The organization.
    pub organization_id: String,
    /// Address as given; `None` when unknown or taken by another member.
    pub email: Option<String>,
    /// Display name.
    pub name: Option<String>,
    /// When she joined: for a Stripe customer, when that was created.
    pub joined_at: Timestamp,
}

/// The address in the form in which two of them are the same: trimmed and case-folded. `None` when it is no address.
///
/// Dots and `+tags` are kept: whether a provider ignores them is that provider's business.
pub fn normalize_email(address: &str) -> Option<String> {
    let address = address.trim();
    let (local, domain) = address.rsplit_once('@')?;
    let strange = |letter: char| letter.is_whitespace() || letter.is_control();
    let plain = |part: &str| !part.is_empty() && !part.contains(strange);
    let whole = plain(local) && plain(domain) && !local.contains('@');
    (whole && address.chars().count() <= EMAIL_CHARS_MAX).then(|| address.to_lowercase())
}

/// What is known about the member behind a customer, each as far as it exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkSources {
    /// The living member named by the customer's metadata (`memberd_member_id`).
    pub by_metadata: Option<String>,
    /// The member with the foreign key `stripe:<customer>`.
    pub by_foreign_key: Option<String>,
    /// The living member with the customer's address, and whether she has proved that it is hers.
    pub by_email: Option<(String, bool)>,
}

/// How a customer was linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// To the member that the metadata names.
    Metadata(String),
    /// To the member that has the customer as foreign key.
    ForeignKey(String),
    /// To the member who has verified this address.
    Email(String),
    /// To a new member. `email_taken`: the address belongs to a member who has not verified it, so it could be
    /// somebody else's; the new member has none until people decide.
    Create {
        /// Whether the address is another member's.
        email_taken: bool,
    },
}

impl Link {
    /// The word in `customers.link`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Metadata(_) => "metadata",
            Self::ForeignKey(_) => "foreign_key",
            Self::Email(_) => "email",
            Self::Create { email_taken: false } => "created",
            Self::Create { email_taken: true } => "email_taken",
        }
    }
}

/// Decides which member a customer belongs to: metadata, then foreign key, then a verified address, else a new member.
/// An unverified address never links, because anybody can type it into a checkout.
pub fn link(sources: &LinkSources) -> Link {
    match sources {
        LinkSources { by_metadata: Some(member), .. } => Link::Metadata(member.clone()),
        LinkSources { by_foreign_key: Some(member), .. } => Link::ForeignKey(member.clone()),
        LinkSources { by_email: Some((member, true)), .. } => Link::Email(member.clone()),
        LinkSources { by_email, .. } => Link::Create { email_taken: by_email.is_some() },
    }
}
