//! `memberd jobs wait`: for scripts that must not go on before the daemon is done.

use std::time::Duration;

use memberd_jobs::kernel::{Env, queue::admin};
use serde_json::json;

use crate::{
    cli::Global,
    commands::{Failure, Outcome, output},
    config::parse_duration,
};

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What `jobs wait` takes.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Args {
    /// Until no job of any organization is available, running or about to be tried again
    #[arg(long, required = true)]
    idle: bool,
    /// How long at the most, such as 60s
    #[arg(long, default_value = "60s", value_parser = parse_duration)]
    timeout: Duration,
}

/// Waits until nothing is left to run. Jobs that are scheduled for later do not count.
///
/// # Errors
/// When the time is up; the text says what is left.
pub(super) async fn run(env: &Env, global: &Global, args: &Args) -> Outcome {
    let give_up = tokio::time::Instant::now() + args.timeout;
    loop {
        let left = admin::unfinished(&env.db, env.now()).await?;
        if left == 0 {
            return output::one(global, "nothing is left to run", &json!({ "left": 0 }));
        }
        if tokio::time::Instant::now() >= give_up {
            let text =
                format!("{left} jobs are still waiting or running: `memberd jobs list` shows them");
            return Err(Failure::new(Failure::FAILED, text));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
