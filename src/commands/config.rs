//! `memberd config`: what can be set, what is set, and what is wrong with it.

use serde_json::json;

use super::{Outcome, output, print};
use crate::{
    cli::Global,
    config::{check, reference, schema, show, show_json},
    runtime::wiring,
};

/// What `config` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Copy, Debug, clap::Subcommand)]
enum Action {
    /// List every problem at once, with file, line and key
    Check,
    /// Print each value and where it comes from, and no secret
    Show,
    /// Print the reference of all keys as Markdown
    Reference,
    /// Print the JSON Schema of the file, for editors
    Schema,
}

/// Explains the configuration.
///
/// # Errors
/// A wrong configuration (2).
pub fn run(args: &Args, global: &Global) -> Outcome {
    match args.action {
        Action::Reference => return print(&reference()),
        Action::Schema => return print(&format!("{:#}", schema())),
        Action::Check | Action::Show => {}
    }
    let loaded = global.load()?;
    let registry = wiring::registry();
    let declared: Vec<&str> = registry.schedules().map(|schedule| schedule.name).collect();
    loaded.check_schedules(&declared)?;
    match args.action {
        Action::Show => output::one(global, &show(&loaded), &show_json(&loaded)),
        _ => output::one(global, &check(&loaded), &json!({ "ok": true })),
    }
}
