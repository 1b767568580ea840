//! `memberd openapi`: the contract of the control API.

use super::{Outcome, print};
use crate::api;

/// Prints the OpenAPI document, as the daemon serves it at `/openapi.json`.
///
/// # Errors
/// When standard output is closed.
pub fn run() -> Outcome {
    print(api::openapi_text())
}
