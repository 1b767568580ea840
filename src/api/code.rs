//! The closed list of error codes.

mod table;

use axum::http::StatusCode;
use serde::{Serialize, Serializer};
use table::{Entry, TABLE};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, schema::Schema},
};

/// What sort of problem a request met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The request does not fit its description.
    InvalidRequest,
    /// The body is no JSON.
    InvalidJson,
    /// A field or parameter that nobody knows.
    UnknownField,
    /// A filter with an impossible value.
    InvalidFilter,
    /// A cursor that this list did not give.
    InvalidCursor,
    /// No key, or one that does not work.
    Unauthorized,
    /// The key may not do this.
    InsufficientScope,
    /// Nothing there.
    NotFound,
    /// No such member.
    MemberNotFound,
    /// No such job.
    JobNotFound,
    /// The address belongs to another member.
    EmailTaken,
    /// The member has this subscription already.
    AlreadySubscribed,
    /// No such tier.
    InvalidTier,
    /// The tier is full.
    TierLimitReached,
    /// Stripe could not collect the money.
    PaymentFailed,
    /// The job runs.
    JobRunning,
    /// The job has ended.
    JobFinal,
    /// The key was used for another request.
    IdempotencyKeyReused,
    /// The first request with this key is not done yet.
    IdempotencyInProgress,
    /// A key is required here.
    IdempotencyKeyRequired,
    /// The state is not the one that the caller expected.
    PreconditionFailed,
    /// Too many recipients in one request.
    RecipientCap,
    /// Too many mails in one day.
    DailyCap,
    /// Mail is switched off.
    EmailDisabled,
    /// Campaigns are switched off.
    CampaignsDisabled,
    /// A channel that memberd does not have.
    UnsupportedChannel,
    /// The recipient gets no mail.
    Suppressed,
    /// A webhook with a wrong signature.
    InvalidSignature,
    /// A webhook with an old signature.
    SignatureExpired,
    /// An address that webhooks may not be sent to.
    UrlNotAllowed,
    /// Nothing to make secrets from.
    WebhooksDisabled,
    /// A body that is too large.
    PayloadTooLarge,
    /// Too many requests.
    RateLimited,
    /// Too busy.
    Overloaded,
    /// Shutting down.
    Draining,
    /// The database is of another version.
    SchemaMismatch,
    /// A defect.
    Internal,
}

impl Code {
    /// All codes.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|entry| entry.0)
    }

    /// The word in problems.
    pub const fn as_str(self) -> &'static str {
        self.entry().1
    }

    /// The HTTP status it usually has.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.entry().2).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The code in words.
    pub const fn title(self) -> &'static str {
        self.entry().3
    }

    /// What it means and what to do.
    pub const fn about(self) -> &'static str {
        self.entry().4
    }

    const fn entry(self) -> &'static Entry {
        &TABLE[self as usize]
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(utoipa::openapi::Type::String)
            .description(Some("What sort of problem it is. The list is closed."))
            .enum_values(Some(Self::all().map(Self::as_str)))
            .into()
    }
}

impl ToSchema for Code {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum_and_every_word_is_there_once() {
        let mut words = std::collections::BTreeSet::new();
        for (at, entry) in TABLE.iter().enumerate() {
            assert_eq!(entry.0 as usize, at, "{}", entry.1);
            assert!(words.insert(entry.1), "{} twice", entry.1);
            assert!((400..600).contains(&entry.2), "{}", entry.1);
        }
        assert_eq!(TABLE.len(), Code::Internal as usize + 1);
    }
}
