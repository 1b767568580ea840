//! The command line: what every command shares, and the list of commands.
//!
//! To add a command, write `commands/<name>.rs` with `Args` and `run`, and add it to [`Command`] and to [`Cli::run`].

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

#[cfg(feature = "demo")]
use crate::commands::{demo, sandbox};
use crate::{
    commands::{
        Failure, Outcome, config, engagement, healthcheck, init, jobs, keys, members, migrate,
        openapi, operations, queues, report, schedules, serve, sync, webhooks,
    },
    config::{self as settings, Loaded, Sources, parse_set},
};

/// A background daemon for businesses that live on memberships.
#[derive(Debug, Parser)]
#[command(
    name = "memberd",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Default, Args)]
pub struct Global {
    /// Configuration file [default: memberd.toml, then /etc/memberd/memberd.toml]
    #[arg(long, global = true, value_name = "FILE", env = "MEMBERD_CONFIG")]
    pub config: Option<PathBuf>,
    /// Set a configuration key, such as server.listen=127.0.0.1:7171; may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = parse_set)]
    pub set: Vec<(String, String)>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub json: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon until SIGTERM or Ctrl-C
    Serve(serve::Args),
    /// Write a configuration, prepare the database and print the first key
    Init(init::Args),
    /// Make, show and revoke the API's keys
    Keys(keys::Args),
    /// Show jobs, start, retry and cancel them
    Jobs(jobs::Args),
    /// Show, pause and resume queues
    Queues(queues::Args),
    /// Show, run and pause what starts by the clock
    Schedules(schedules::Args),
    /// Fill, repair and prove the mirror of Stripe
    Sync(sync::Args),
    /// Find members, show what one may see and why
    Members(members::Args),
    /// Explain scores, propose constants that fit, build all scores anew, and prove them
    Engagement(engagement::Args),
    /// Print figures of a period, and draw them
    Report(report::Args),
    /// List what was written to Stripe, and what came of it
    Operations(operations::Args),
    /// Check the signature of a webhook, and ask an endpoint
    Webhooks(webhooks::Args),
    /// Compare the database's schema with this binary's, and change it
    Migrate(migrate::Args),
    /// Check, show and explain the configuration
    Config(config::Args),
    /// Print the OpenAPI document of the control API
    Openapi(openapi::Args),
    /// Ask the daemon of this configuration whether it is ready; for containers
    Healthcheck(healthcheck::Args),
    /// Show a living world: the daemon with a fake Stripe and invented members; needs nothing
    #[cfg(feature = "demo")]
    Demo(demo::Args),
    /// Run the fake Stripe alone
    #[cfg(feature = "demo")]
    #[command(hide = true)]
    Sandbox(sandbox::Args),
}

impl Cli {
    /// Does it.
    ///
    /// # Errors
    /// What went wrong, with the exit code.
    pub fn run(self) -> Outcome {
        let global = &self.global;
        match self.command {
            Command::Serve(args) => serve::run(args, global),
            Command::Init(args) => init::run(&args, global),
            Command::Keys(args) => keys::run(&args, global),
            Command::Jobs(args) => jobs::run(&args, global),
            Command::Queues(args) => queues::run(&args, global),
            Command::Schedules(args) => schedules::run(&args, global),
            Command::Sync(args) => sync::run(&args, global),
            Command::Members(args) => members::run(&args, global),
            Command::Engagement(args) => engagement::run(&args, global),
            Command::Report(args) => report::run(&args, global),
            Command::Operations(args) => operations::run(&args, global),
            Command::Webhooks(args) => webhooks::run(&args, global),
            Command::Openapi(args) => openapi::run(args),
            Command::Migrate(args) => migrate::run(&args, global),
            Command::Config(args) => config::run(&args, global),
            Command::Healthcheck(args) => healthcheck::run(&args, global),
            #[cfg(feature = "demo")]
            Command::Demo(args) => demo::run(&args, global),
            #[cfg(feature = "demo")]
            Command::Sandbox(args) => sandbox::run(&args, global),
        }
    }
}

impl Global {
    /// Reads the configuration.
    ///
    /// # Errors
    /// Everything that is wrong with it, as a usage error.
    pub fn load(&self) -> Result<Loaded, Failure> {
        let sources =
            Sources::of_process(self.config.clone(), std::env::vars_os(), self.set.clone());
        Ok(settings::load(&sources)?)
    }

    /// Defaults, environment and flags only, for the command that writes the file.
    pub fn sources_without_files(&self) -> Sources {
        Sources {
            file: None,
            search: Vec::new(),
            ..Sources::of_process(None, std::env::vars_os(), self.set.clone())
        }
    }
}
