//! Why a request to somebody else failed.

use std::error::Error as _;

/// The error with all its causes, without the address, whose path and query may hold what is not for logs.
pub(crate) fn of(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut why = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        why = format!("{why}: {cause}");
        source = cause.source();
    }
    why
}
