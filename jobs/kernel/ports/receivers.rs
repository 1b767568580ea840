//! The servers of others that hear of our events.

use std::{fmt, time::Duration};

use super::Later;
use crate::kernel::clock::Timestamp;

/// What one of an endpoint's secrets is made from. The secret itself is made in `src/webhooks_out`, from this and a key of
/// the configuration, so that it is in no table.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SigningSecret {
    /// `whs_…`
    pub id: String,
    /// `whe_…`
    pub endpoint_id: String,
    /// Random, in hex.
    pub salt: String,
    /// Which key of the configuration.
    pub key_id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on nothing is signed with it any more.
    pub expires_at: Option<Timestamp>,
}

/// An event on its way to one endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Where to.
    pub url: &'a str,
    /// The event's id: the same for every attempt.
    pub id: &'a str,
    /// The present moment, which is signed too.
    pub at: Timestamp,
    /// JSON.
    pub body: &'a str,
    /// It is signed with each of them.
    pub secrets: &'a [SigningSecret],
}

/// What became of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status, or why there is none.
    pub status: Result<u16, SendError>,
    /// How long the receiver asked to be left alone.
    pub retry_after: Option<Duration>,
    /// From the first byte sent to the last byte of the answer.
    pub took: Duration,
}

impl Answer {
    /// Whether the receiver has taken the event.
    pub fn is_success(&self) -> bool {
        self.status.is_ok_and(|status| (200..300).contains(&status))
    }
}

/// Why there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// None within the time.
    Timeout,
    /// No such host, no connection, no TLS, or it broke.
    Unreachable,
    /// The host is, or resolves to, an address that nothing is sent to.
    NotAllowed,
}

impl SendError {
    /// The word in tables and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::NotAllowed => "not_allowed",
        }
    }
}

/// The receivers, as the core needs them.
pub trait Receivers: fmt::Debug + Send + Sync {
    /// Whether events may be sent to the URL. Answers it as it will be asked for, or why not, in words.
    fn check<'a>(&'a self, url: &'a str) -> Later<'a, Result<String, String>>;

    /// The key of the configuration that new secrets are made from; `None` while there is none.
    fn key_id(&self) -> Option<String>;

    /// The secret as its receiver knows it (`whsec_…`); `None` when its key is not in the configuration any more.
    fn reveal(&self, secret: &SigningSecret) -> Option<String>;

    /// Makes one attempt.
    fn send<'a>(&'a self, message: &'a Message<'a>) -> Later<'a, Answer>;
}
