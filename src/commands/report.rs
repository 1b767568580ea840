//! `memberd report`: figures for people, as a table and as a picture.

mod engagement;

use super::{Outcome, open, runtime};
use crate::cli::Global;

/// What `report` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whose figures
    #[arg(long, global = true, default_value = "default", value_name = "ID")]
    organization: String,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// How the members did in a period; docs/analytics.md defines the figures
    Engagement(engagement::Args),
}

/// Prints figures.
///
/// # Errors
/// An unknown organization or creator, a day in the future, or a file that cannot be written.
pub fn run(args: &Args, global: &Global) -> Outcome {
    runtime()?.block_on(async {
        let env = open(global).await?;
        match &args.action {
            Action::Engagement(of) => engagement::run(&env, global, &args.organization, of).await,
        }
    })
}
