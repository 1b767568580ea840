//! `memberd queues`: what waits, and stopping it for a while.

use memberd_jobs::{
    access::activity::Call,
    kernel::{
        Env, Timestamp,
        queue::{
            Queue,
            admin::{self, Lane},
        },
    },
};
use serde_json::{Value, json};

use super::{
    Failure, Outcome,
    activity::logged,
    open,
    output::{self, Rows},
    runtime,
};
use crate::{api::HOME_ORGANIZATION, cli::Global};

/// What `queues` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show what waits and runs in each queue
    List,
    /// Start no more jobs of a queue, on any node; what runs goes on
    Pause {
        /// The queue
        queue: String,
    },
    /// Start its jobs again
    Resume {
        /// The queue
        queue: String,
    },
}

/// Shows, pauses and resumes queues.
///
/// # Errors
/// An unknown queue, or a database that fails.
pub fn run(args: &Args, global: &Global) -> Outcome {
    runtime()?.block_on(async {
        let env = open(global).await?;
        match &args.action {
            Action::List => list(&env, global).await,
            Action::Pause { queue } => {
                let pause = async |call: &mut Call| pause(&env, global, queue, true, call).await;
                logged(&env, HOME_ORGANIZATION, "queues pause", None, pause).await
            }
            Action::Resume { queue } => {
                let resume = async |call: &mut Call| pause(&env, global, queue, false, call).await;
                logged(&env, HOME_ORGANIZATION, "queues resume", None, resume).await
            }
        }
    })
}

/// Reads the name of a queue.
///
/// # Errors
/// A usage error that lists the queues.
pub fn parse(name: &str) -> Result<Queue, Failure> {
    Queue::parse(name).ok_or_else(|| {
        let names = Queue::ALL.map(Queue::as_str).join(", ");
        Failure::new(
            Failure::USAGE,
            format!("no queue `{name}`: there are {names}"),
        )
    })
}

async fn list(env: &Env, global: &Global) -> Outcome {
    let now = env.now();
    let lanes = admin::lanes(&env.db, now).await?;
    let mut rows = Rows::new(&[
        "queue",
        "waiting",
        "running",
        "oldest due since",
        "paused since",
        "slots a node",
    ]);
    for lane in &lanes {
        rows.row([
            lane.queue.as_str().to_owned(),
            waiting(lane, now),
            lane.running.to_string(),
            output::time(lane.oldest_available_at),
            output::time(lane.paused_at),
            lane.concurrency
                .map_or_else(|| "configured".to_owned(), |slots| slots.to_string()),
        ]);
    }
    let json: Vec<Value> = lanes
        .iter()
        .map(|lane| {
            json!({ "name": lane.queue.as_str(), "waiting": lane.waiting, "running": lane.running, "counted_at": lane.counted_at,
                    "oldest_available_at": lane.oldest_available_at, "paused_at": lane.paused_at,
                    "concurrency": lane.concurrency })
        })
        .collect();
    output::list(global, &rows, &Value::from(json))
}

/// The number, and when it was counted if that was not just now.
fn waiting(lane: &Lane, now: Timestamp) -> String {
    if lane.counted_at == now {
        return lane.waiting.to_string();
    }
    format!("{} at {}", lane.waiting, lane.counted_at)
}

async fn pause(env: &Env, global: &Global, name: &str, paused: bool, call: &mut Call) -> Outcome {
    let queue = parse(name)?;
    call.object_id = Some(queue.as_str().to_owned());
    let mut tx = env.db.begin().await?;
    admin::set_queue_paused(&mut tx, queue, paused, env.now()).await?;
    tx.commit().await?;
    let word = if paused { "paused" } else { "running" };
    output::one(
        global,
        &format!("queue {name} is {word}"),
        &json!({ "name": name, "paused": paused }),
    )
}
