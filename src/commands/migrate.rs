//! `memberd migrate`: the database's schema.

use memberd_jobs::kernel::{Env, db::MigrationState};
use serde_json::json;

use super::{Failure, Outcome, output, print, runtime};
use crate::{cli::Global, runtime::wiring};

/// What `migrate` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Copy, Debug, clap::Subcommand)]
enum Action {
    /// Show the schema's version and what is pending; exits with 3 when they do not fit together
    Status,
    /// Run what is pending
    Up {
        /// Print the SQL instead of running it
        #[arg(long)]
        dry_run: bool,
    },
}

/// Shows or changes the schema.
///
/// # Errors
/// A schema newer than this binary (3), or a database that cannot be changed (1).
pub fn run(args: &Args, global: &Global) -> Outcome {
    let loaded = global.load()?;
    runtime()?.block_on(async {
        let env = match args.action {
            Action::Up { dry_run: false } => wiring::env_or_new(&loaded.config).await?,
            Action::Up { dry_run: true } => wiring::env_or_empty(&loaded.config).await?,
            Action::Status => wiring::env(&loaded.config).await?,
        };
        match args.action {
            Action::Status => status(&env, global.json).await,
            Action::Up { dry_run: true } => dry_run(&env).await,
            Action::Up { dry_run: false } => up(&env, global).await,
        }
    })
}

async fn status(env: &Env, as_json: bool) -> Outcome {
    let state = env.db.migration_state().await?;
    let pending: Vec<String> = state
        .pending
        .iter()
        .map(|one| format!("{:04} {}", one.version, one.description))
        .collect();
    if as_json {
        let status = json!({ "applied": state.applied, "known": state.known, "pending": pending });
        print(&status.to_string())?;
    } else {
        let list = if pending.is_empty() {
            "nothing".to_owned()
        } else {
            pending.join(", ")
        };
        print(&format!(
            "schema {} of {}; pending: {list}",
            state.applied, state.known
        ))?;
    }
    Ok(env.db.check_schema().await?)
}

async fn up(env: &Env, global: &Global) -> Outcome {
    let before = env.db.migration_state().await?;
    env.db.migrate().await?;
    let after = env.db.migration_state().await?;
    if !after.pending.is_empty() {
        return Err(Failure::new(
            Failure::FAILED,
            "migrations are pending after the run: two binaries of different versions are migrating",
        ));
    }
    let (is, was) = (after.applied, before.applied);
    let json = json!({ "applied": is, "before": was });
    output::one(global, &format!("schema {is} (was {was})"), &json)
}

/// What `up` would do; a schema newer than this binary is refused by both.
async fn dry_run(env: &Env) -> Outcome {
    let state = env.db.migration_state().await?;
    if state.applied > state.known {
        return Ok(env.db.check_schema().await?);
    }
    print(&sql(&state))
}

fn sql(state: &MigrationState) -> String {
    if state.pending.is_empty() {
        return format!("-- nothing is pending: the schema is {}", state.applied);
    }
    let pending = state.pending.iter();
    let texts: Vec<String> = pending
        .map(|one| {
            format!(
                "-- {:04} {}\n{}",
                one.version,
                one.description,
                one.sql.trim_end()
            )
        })
        .collect();
    texts.join("\n\n")
}
