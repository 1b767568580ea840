//! The activity log: which key called what, when, and what came of it. Nothing that a caller wrote is in it.

mod store;
#[cfg(test)]
mod tests;

pub use store::{begin, list, prune, write};

use crate::kernel::Timestamp;

/// What the ids of calls begin with.
pub const CALL_ID_PREFIX: &str = "act";

/// Who calls when it is the command line. Not the user of the operating system, whose name is a person's.
pub const CLI: &str = "cli";

/// What stands in the place of the method of a command.
pub const CLI_METHOD: &str = "CLI";

/// A call of the API with a key, or a command of the command line.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Call {
    /// `act_…`
    pub id: String,
    /// Whose key it was.
    pub organization_id: String,
    /// `key_…`, `jwt:…` or `cli`
    pub key_id: String,
    /// The HTTP method, or `CLI`.
    pub method: String,
    /// The route's template, such as `/v1/members/{id}`, or the command's words.
    pub route: String,
    /// The object that the path named first, where it is an id of ours or of Stripe's, or a word of the API; else the member
    /// whom the answer told of.
    pub object_id: Option<String>,
    /// The object that the answer of a write told of, or the path named last.
    pub made_id: Option<String>,
    /// The id of the request, as in the log.
    pub request_id: String,
    /// The HTTP status of the answer; `None`: it began, and its end is not known.
    pub status: Option<i64>,
    /// How long the answer took.
    pub milliseconds: Option<i64>,
    /// How many calls it stands for.
    pub calls: i64,
    /// When it came.
    pub created_at: Timestamp,
}

/// Which calls: all conditions must hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    /// Of this key.
    pub key_id: Option<&'a str>,
    /// With this method.
    pub method: Option<&'a str>,
    /// Of this route.
    pub route: Option<&'a str>,
    /// With a status from the first to the second; 0 is that of calls whose end is not known.
    pub status: Option<(i64, i64)>,
    /// About this object, or telling of it.
    pub object_id: Option<&'a str>,
    /// After this moment.
    pub after: Option<Timestamp>,
    /// Before this one.
    pub before: Option<Timestamp>,
}

/// A page of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// The calls, newest first.
    pub calls: Vec<Call>,
    /// Where the next page begins, older than this id; `None` on the last one. There may be a next page although this
    /// one is not full.
    pub before: Option<String>,
}
