//! `memberd serve`: the daemon.

use memberd_jobs::{
    kernel::db::Error,
    sync::{derive_if_policy_changed, other_account, read_what_an_older_one_left},
};
use tokio_util::sync::CancellationToken;

use super::{Failure, Outcome, runtime};
use crate::{
    cli::Global,
    config::{Loaded, Migrate},
    runtime::{claim::Claim, daemon, shutdown::Signals, telemetry, wiring},
};

/// What `serve` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What this process does, separated by commas: api, worker, scheduler [default: node.roles]
    #[arg(long, value_name = "ROLES")]
    pub roles: Option<String>,
}

/// Runs the daemon until it is told to stop.
///
/// # Errors
/// A wrong configuration (2), a schema that does not fit (3), anything else at the start (1).
pub fn run(args: Args, global: &Global) -> Outcome {
    let mut global = global.clone();
    if let Some(roles) = args.roles {
        global.set.push(("node.roles".to_owned(), roles));
    }
    let loaded = global.load()?;
    let registry = wiring::registry();
    let declared: Vec<&str> = registry.schedules().map(|schedule| schedule.name).collect();
    loaded.check_schedules(&declared)?;
    telemetry::start_log(&loaded.config.log)
        .map_err(|error| Failure::new(Failure::USAGE, error.to_string()))?;
    let runtime = runtime()?;
    let served = runtime.block_on(serve(&loaded));
    // Abandoned jobs may still block a thread; what they do is fenced, so nobody waits for them.
    runtime.shutdown_background();
    served
}

async fn serve(loaded: &Loaded) -> Outcome {
    let stop = CancellationToken::new();
    let signals = Signals::listen()?.watch(stop.clone());
    let config = &loaded.config;
    let daemon = async {
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        let metrics = telemetry::start_metrics().map_err(anyhow::Error::from)?;
        let env = match config.database.migrate {
            Migrate::Auto => wiring::env_or_new(config).await?,
            Migrate::Check => wiring::env(config).await?,
        };
        let _claim = wiring::sqlite_file(config)
            .map(|file| Claim::of(&file))
            .transpose()?;
        wiring::prepare(&env, config.database.migrate)
            .await
            .map_err(explain)?;
        if let Some(other) = other_account(&env).await? {
            return Err(Failure::new(Failure::USAGE, other.to_string()));
        }
        derive_if_policy_changed(&env).await?;
        read_what_an_older_one_left(&env).await?;
        daemon::run(env, config, metrics, stop.clone()).await?;
        Ok(())
    };
    tokio::select! {
        served = daemon => served,
        () = signals => Ok(()),
    }
}

/// The error of an older schema names the command that fixes it; here the setting belongs to it.
fn explain(error: Error) -> Failure {
    let older = matches!(error, Error::SchemaOlder { .. });
    let failure = Failure::from(error);
    if older {
        return Failure::new(
            failure.code(),
            format!("{failure}, or set database.migrate = \"auto\""),
        );
    }
    failure
}
