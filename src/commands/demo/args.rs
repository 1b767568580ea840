//! What `memberd demo` takes.

use std::{net::IpAddr, path::PathBuf};

/// Most members of one demo; the machine's patience ends before the sandbox's does.
const MEMBERS_MAX: u64 = 100_000;

/// What `demo` takes.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Fill the world, check everything, and end by itself: 0 when all is well, 4 when not
    #[arg(long)]
    pub once: bool,
    /// Decides everything that looks like chance; the same seed gives the same digest
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many members the world begins with
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=MEMBERS_MAX))]
    pub members: u64,
    /// Keep all files in this folder [default: a temporary folder that is removed at the end]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Write the API keys into this file as shell variables
    #[arg(long, value_name = "FILE")]
    pub keys_out: Option<PathBuf>,
    /// Use this empty PostgreSQL database instead of a SQLite file
    #[arg(long, value_name = "postgres://USER:PASSWORD@HOST/NAME")]
    pub database: Option<String>,
    /// Port of the control API [default: 7171; with --once any free one]
    #[arg(long)]
    pub port: Option<u16>,
    /// Port of the sandbox: fake Stripe and inspector [default: 7274; with --once any free one]
    #[arg(long, value_name = "PORT")]
    pub sandbox_port: Option<u16>,
    /// Address that both listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub listen: IpAddr,
}
