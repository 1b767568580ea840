//! `memberd openapi`: the contract of the control API.

use super::{Outcome, print};
use crate::api;

/// What `openapi` takes.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Args {
    /// Print the error codes, in Markdown, instead
    #[arg(long)]
    errors: bool,
}

/// Prints the OpenAPI document, as the daemon serves it at `/openapi.json`, or the codes of its errors.
///
/// # Errors
/// When standard output is closed.
pub fn run(args: Args) -> Outcome {
    if args.errors {
        print(&api::errors_markdown())
    } else {
        print(api::openapi_text())
    }
}
