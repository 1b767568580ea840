//! `memberd schedules`: what starts by the clock.

use memberd_jobs::{
    access::activity::Call,
    kernel::{Env, queue::schedules},
};
use serde_json::{Value, json};

use super::{
    Failure, Outcome,
    activity::logged,
    open,
    output::{self, Rows},
    runtime,
};
use crate::{api::HOME_ORGANIZATION, cli::Global, runtime::wiring};

/// What `schedules` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show the schedules with their last and next tick
    List,
    /// Start a schedule's job now; its next tick stays
    Run {
        /// The schedule
        name: String,
    },
    /// Fire no more ticks until it is resumed
    Pause {
        /// The schedule
        name: String,
    },
    /// Fire again, from the next tick on
    Resume {
        /// The schedule
        name: String,
    },
}

/// Shows, runs, pauses and resumes schedules.
///
/// # Errors
/// An unknown schedule, or a database that fails.
pub fn run(args: &Args, global: &Global) -> Outcome {
    runtime()?.block_on(async {
        let env = open(global).await?;
        match &args.action {
            Action::List => list(&env, global).await,
            Action::Run { name } => {
                let run = async |call: &mut Call| run_now(&env, global, name, call).await;
                logged(&env, HOME_ORGANIZATION, "schedules run", None, run).await
            }
            Action::Pause { name } => {
                let pause = async |call: &mut Call| pause(&env, global, name, true, call).await;
                logged(&env, HOME_ORGANIZATION, "schedules pause", None, pause).await
            }
            Action::Resume { name } => {
                let resume = async |call: &mut Call| pause(&env, global, name, false, call).await;
                logged(&env, HOME_ORGANIZATION, "schedules resume", None, resume).await
            }
        }
    })
}

async fn list(env: &Env, global: &Global) -> Outcome {
    let all = schedules::all(&env.db).await?;
    let mut rows = Rows::new(&[
        "schedule", "cron", "zone", "next", "last", "last job", "state",
    ]);
    for one in &all {
        let state = match (one.enabled, one.paused_at) {
            (false, _) => "disabled",
            (true, Some(_)) => "paused",
            (true, None) => "on",
        };
        rows.row([
            one.name.clone(),
            one.cron.clone(),
            one.timezone.clone(),
            output::time(one.next_due),
            output::time(one.last_due),
            one.last_job_id.clone().unwrap_or_default(),
            state.to_owned(),
        ]);
    }
    let json: Vec<Value> = all
        .iter()
        .map(|one| {
            json!({ "name": one.name, "kind": one.kind, "cron": one.cron, "timezone": one.timezone,
                    "catch_up": one.catch_up, "enabled": one.enabled, "paused_at": one.paused_at,
                    "next_due": one.next_due, "last_due": one.last_due, "last_job_id": one.last_job_id })
        })
        .collect();
    output::list(global, &rows, &Value::from(json))
}

fn unknown(name: &str) -> Failure {
    let text = format!(
        "no schedule `{name}`: `memberd schedules list` shows them once the daemon has run"
    );
    Failure::new(Failure::FAILED, text)
}

async fn run_now(env: &Env, global: &Global, name: &str, call: &mut Call) -> Outcome {
    let mut tx = env.db.begin().await?;
    let job = schedules::run_now(&mut tx, env, &wiring::registry(), name).await?;
    tx.commit().await?;
    let job = job.ok_or_else(|| unknown(name))?;
    call.object_id = Some(name.to_owned());
    call.made_id = Some(job.clone());
    output::one(
        global,
        &format!("{job} is waiting to run"),
        &json!({ "job_id": job }),
    )
}

async fn pause(env: &Env, global: &Global, name: &str, paused: bool, call: &mut Call) -> Outcome {
    let mut tx = env.db.begin().await?;
    let row = schedules::set_paused(&mut tx, name, paused, env.now()).await?;
    tx.commit().await?;
    if row.is_none() {
        return Err(unknown(name));
    }
    call.object_id = Some(name.to_owned());
    let word = if paused { "paused" } else { "on" };
    output::one(
        global,
        &format!("schedule {name} is {word}"),
        &json!({ "name": name, "paused": paused }),
    )
}
