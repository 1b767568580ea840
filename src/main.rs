//! The binary. What there is to do is in `memberd::commands`.

use std::process::ExitCode;

use clap::Parser as _;
use memberd::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
