//! The commands, one file each, and how they end.

pub mod activity;
pub mod config;
#[cfg(feature = "demo")]
pub mod demo;
pub mod engagement;
pub mod healthcheck;
pub mod init;
pub mod jobs;
pub mod keys;
pub mod members;
pub mod migrate;
pub mod openapi;
pub mod operations;
pub mod output;
pub mod queues;
pub mod report;
#[cfg(feature = "demo")]
pub mod sandbox;
pub mod schedules;
pub mod serve;
pub mod sync;
pub mod webhooks;

use std::{fmt, io::Write as _, process::ExitCode};

use memberd_jobs::kernel::{Env, db};
use tokio::runtime::{Builder, Runtime};

use crate::{cli::Global, config::Problems, runtime::wiring};

/// How a command ends.
pub type Outcome = Result<(), Failure>;

/// Why a command failed: the exit code for programs, the text for people.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    text: String,
}

impl Failure {
    /// It was tried and failed.
    pub const FAILED: u8 = 1;
    /// The command line or the configuration is wrong; trying again changes nothing.
    pub const USAGE: u8 = 2;
    /// The database's schema and this binary do not fit together.
    pub const SCHEMA: u8 = 3;
    /// A check found something.
    pub const FOUND: u8 = 4;

    /// A failure with this exit code. The text says what went wrong, where, and what to do.
    pub fn new(code: u8, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }

    /// The exit code.
    pub const fn code(&self) -> u8 {
        self.code
    }

    /// Tells people on standard error, and programs by the exit code.
    pub fn report(&self) -> ExitCode {
        // Nobody is left to tell that standard error is closed.
        let _ = writeln!(std::io::stderr(), "memberd: {self}");
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::new(Self::USAGE, problems.to_string())
    }
}

impl From<db::Error> for Failure {
    fn from(error: db::Error) -> Self {
        let code = match error {
            db::Error::NoDatabase(_)
            | db::Error::SchemaNewer { .. }
            | db::Error::SchemaOlder { .. } => Self::SCHEMA,
            _ => Self::FAILED,
        };
        Self::new(code, error.to_string())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<db::Error>() {
            Ok(error) => error.into(),
            Err(error) => Self::new(Self::FAILED, format!("{error:#}")),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Self::FAILED, error.to_string())
    }
}

/// Opens the database of the configuration, whose schema must be this binary's.
///
/// # Errors
/// A wrong configuration (2), a schema that does not fit (3), a database that cannot be reached (1).
pub async fn open(global: &Global) -> Result<Env, Failure> {
    let loaded = global.load()?;
    let env = wiring::env(&loaded.config).await?;
    env.db.check_schema().await?;
    Ok(env)
}

/// Prints lines on standard output, where a command's answer goes.
///
/// # Errors
/// When standard output is closed.
pub fn print(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    let written = out
        .write_all(text.trim_end().as_bytes())
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush());
    match written {
        // The reader has seen enough, as `head` does.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// Least and most threads of the daemon: jobs mostly wait, and every thread costs memory.
const THREADS: (usize, usize) = (2, 4);

/// The runtime for asynchronous commands.
///
/// # Errors
/// When the operating system gives no threads.
pub fn runtime() -> Result<Runtime, Failure> {
    let cores = std::thread::available_parallelism().map_or(THREADS.0, usize::from);
    let runtime = Builder::new_multi_thread()
        .worker_threads(cores.clamp(THREADS.0, THREADS.1))
        .enable_all()
        .build()?;
    Ok(runtime)
}
