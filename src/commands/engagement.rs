//! `memberd engagement`: why scores are what they are, what would fit, building them anew, and proving them.

mod calibrate;
mod explain;

use memberd_jobs::{
    access::activity::Call,
    engagement::{self, Verified},
    kernel::Env,
};
use serde_json::json;

use super::{
    Failure, Outcome,
    activity::{logged, no_organization},
    open, output, print, runtime,
};
use crate::cli::Global;

/// Members printed by `verify`; the count is always that of all.
const MEMBERS_SHOWN: usize = 50;

/// What `engagement` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whose scores
    #[arg(long, global = true, default_value = "default", value_name = "ID")]
    organization: String,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show why a member's score is what it is, and what is missing to the next level
    Explain(explain::Args),
    /// Propose constants that fit your members, as TOML; changes nothing
    Calibrate(calibrate::Args),
    /// Build all scores anew from what was counted; a job of the daemon does it
    Rebuild,
    /// Compare scores with what was counted now, change nothing; exits with 4 when they differ
    Verify {
        /// All of them instead of one of a hundred
        #[arg(long)]
        all: bool,
    },
}

/// Explains, proposes, orders a rebuild, or compares.
///
/// # Errors
/// An unknown organization or member, nothing that was counted, or a difference (exit code 4).
pub fn run(args: &Args, global: &Global) -> Outcome {
    runtime()?.block_on(async {
        let env = open(global).await?;
        let id = args.organization.as_str();
        if !env.settings.organizations.contains_key(id) {
            return Err(no_organization(&env, id));
        }
        match &args.action {
            Action::Explain(args) => explain::run(&env, global, id, args).await,
            Action::Calibrate(args) => calibrate::run(&env, global, id, *args).await,
            Action::Rebuild => {
                let rebuild = async |call: &mut Call| rebuild(&env, global, id, call).await;
                logged(&env, id, "engagement rebuild", None, rebuild).await
            }
            Action::Verify { all } => verify(&env, global, id, *all).await,
        }
    })
}

async fn rebuild(env: &Env, global: &Global, organization: &str, call: &mut Call) -> Outcome {
    let mut tx = env.db.begin().await?;
    let job = engagement::rebuild(&mut tx, env, organization).await?;
    tx.commit().await?;
    call.made_id = Some(job.id.clone());
    let text = format!(
        "{} is waiting to run; `memberd jobs show {}` tells how it goes",
        job.id, job.id
    );
    output::one(
        global,
        &text,
        &json!({ "job_id": job.id, "folded": job.folded }),
    )
}

async fn verify(env: &Env, global: &Global, organization: &str, all: bool) -> Outcome {
    let verified = engagement::verify(env, organization, all).await?;
    let Verified { compared, differ } = &verified;
    if global.json {
        print(&json!(verified).to_string())?;
    } else {
        for member in differ.iter().take(MEMBERS_SHOWN) {
            print(&format!("{member} differs"))?;
        }
        print(&format!(
            "{compared} scores compared, {} differ",
            differ.len()
        ))?;
    }
    if differ.is_empty() {
        return Ok(());
    }
    let text = "scores are not what was counted: `memberd engagement rebuild` makes them anew";
    Err(Failure::new(Failure::FOUND, text))
}
