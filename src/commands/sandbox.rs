//! `memberd sandbox` (hidden): the outside world as a process of its own, for `memberd demo` and for tests.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;
use memberd_sandbox::{CancellationToken, Options, StartTime};
use tokio::{net::TcpListener, task::spawn_blocking};

use super::{Failure, Outcome, demo::processes, runtime};
use crate::{
    cli::Global,
    config::{Log, LogFormat},
    runtime::{shutdown::Signals, telemetry},
};

/// What is logged: the sandbox has no configuration file.
const FILTER: &str = "info";

/// How long requests under way may take once the sandbox shall end: open connections are not waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// What `sandbox` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address and port of the fake Stripe and of the inspector
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7274")]
    pub listen: SocketAddr,
    /// Decides everything that looks like chance
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Seconds between real time and the sandbox's; negative is the past
    #[arg(
        long,
        value_name = "SECONDS",
        allow_hyphen_values = true,
        default_value_t = 0
    )]
    pub offset: i64,
    /// Stand still at this second since 1970 until the clock is advanced
    #[arg(long, value_name = "SECOND", conflicts_with = "offset")]
    pub frozen_at: Option<i64>,
    /// End with standard input, and then also end the processes whose ids it brought, one a line: for a parent that
    /// may be killed
    #[arg(long)]
    pub guard: bool,
}

/// Serves the sandbox until it is told to stop.
///
/// # Errors
/// When the address is taken.
pub fn run(args: &Args, _: &Global) -> Outcome {
    let log = Log {
        format: LogFormat::Human,
        filter: FILTER.to_owned(),
    };
    telemetry::start_log(&log).map_err(|error| Failure::new(Failure::FAILED, error.to_string()))?;
    let runtime = runtime()?;
    let served = runtime.block_on(serve(args));
    runtime.shutdown_background();
    served
}

async fn serve(args: &Args) -> Outcome {
    let stop = CancellationToken::new();
    let signals = Signals::listen()?.watch(stop.clone());
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}", args.listen))?;
    let options = Options {
        seed: args.seed,
        start: args
            .frozen_at
            .map_or(StartTime::Offset(args.offset), StartTime::Frozen),
        ..Options::default()
    };
    tracing::info!(address = %args.listen, "the sandbox is running");
    let served = memberd_sandbox::serve(listener, options, stop.clone());
    let late = async {
        stop.cancelled().await;
        tokio::time::sleep(PATIENCE).await;
    };
    let orphaned = async {
        if !args.guard {
            std::future::pending::<()>().await;
        }
        guard().await;
        stop.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        served = served => Ok(served?),
        () = late => Ok(()),
        () = orphaned => Ok(()),
        () = signals => Ok(()),
    }
}

/// Waits for the end of standard input, then ends the processes that it named.
async fn guard() {
    // An error is an end too: there is nobody who could write any more.
    let told = spawn_blocking(|| std::io::read_to_string(std::io::stdin())).await;
    let told = told.ok().and_then(Result::ok).unwrap_or_default();
    for pid in told.lines().filter_map(|line| line.parse::<u32>().ok()) {
        tracing::warn!(pid, "the demo is gone: ending what it started");
        if let Err(error) = processes::terminate(pid).await {
            tracing::error!(pid, %error, "it could not be ended");
        }
    }
}
