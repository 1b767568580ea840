//! `memberd jobs`: what runs, what failed, and doing something about it.

mod show;
mod wait;

use memberd_jobs::{
    access::activity::Call,
    kernel::{
        Env, Registry,
        outbox::{self, NewJob},
        queue::admin::{self, Acted, Action as Act, Filter, JobState},
    },
};
use serde_json::{Value, json};

use super::{
    Failure, Outcome,
    activity::{logged, only},
    open,
    output::{self, Rows},
    queues, runtime,
};
use crate::{cli::Global, runtime::wiring};

/// What `jobs` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whose jobs
    #[arg(long, global = true, default_value = "default", value_name = "ID")]
    organization: String,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show jobs, newest first
    List(ListArgs),
    /// Show one job with its attempts
    Show {
        /// `job_…`
        id: String,
    },
    /// Start a job by hand
    Enqueue {
        /// Its kind, such as `sync.fetch_object`
        kind: String,
        /// Its arguments as JSON
        #[arg(default_value = "{}")]
        args: String,
    },
    /// Run jobs again: now if they wait, once more if they were discarded or cancelled
    Retry {
        /// `job_…`
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Cancel jobs: at once if they wait, at their next pause if they run
    Cancel {
        /// `job_…`
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Wait until nothing is left to run
    Wait(wait::Args),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// scheduled, available, running, retryable, completed, cancelled or discarded
    #[arg(long)]
    state: Option<String>,
    /// Only this kind
    #[arg(long)]
    kind: Option<String>,
    /// Only this queue
    #[arg(long)]
    queue: Option<String>,
    /// Only jobs about this member
    #[arg(long)]
    member: Option<String>,
    /// How many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i64).range(1..=1000))]
    limit: i64,
}

/// Shows jobs and acts on them.
///
/// # Errors
/// Unknown jobs, kinds and states, arguments that do not fit, or a database that fails.
pub fn run(args: &Args, global: &Global) -> Outcome {
    runtime()?.block_on(async {
        let env = open(global).await?;
        let organization = &args.organization;
        match &args.action {
            Action::List(args) => list(&env, global, organization, args).await,
            Action::Show { id } => show::run(&env, global, organization, id).await,
            Action::Enqueue { kind, args } => {
                let enqueue = async |call: &mut Call| {
                    enqueue(&env, global, (organization, kind, args), call).await
                };
                logged(&env, organization, "jobs enqueue", None, enqueue).await
            }
            Action::Retry { ids } => {
                let retry =
                    async |_: &mut Call| act(&env, global, organization, Act::Retry, ids).await;
                logged(&env, organization, "jobs retry", only(ids), retry).await
            }
            Action::Cancel { ids } => {
                let cancel =
                    async |_: &mut Call| act(&env, global, organization, Act::Cancel, ids).await;
                logged(&env, organization, "jobs cancel", only(ids), cancel).await
            }
            Action::Wait(args) => wait::run(&env, global, args).await,
        }
    })
}

async fn list(env: &Env, global: &Global, organization: &str, args: &ListArgs) -> Outcome {
    let state = args.state.as_deref().map(|word| {
        JobState::parse(word).ok_or_else(|| {
            let words = JobState::ALL.map(JobState::as_str).join(", ");
            Failure::new(
                Failure::USAGE,
                format!("no state `{word}`: there are {words}"),
            )
        })
    });
    let filter = Filter {
        state: state.transpose()?,
        kind: args.kind.as_deref().map(known_kind).transpose()?,
        queue: args.queue.as_deref().map(queues::parse).transpose()?,
        member_id: args.member.as_deref(),
        ..Filter::default()
    };
    let jobs = admin::list_all(&env.db, organization, &filter, args.limit, env.now()).await?;
    let mut rows = Rows::new(&["id", "kind", "state", "attempt", "created", "due", "error"]);
    for job in &jobs {
        rows.row([
            job.id.clone(),
            job.kind.clone(),
            job.state.clone(),
            format!("{}/{}", job.attempt, job.max_attempts),
            job.created_at.to_string(),
            output::time(job.due_at),
            job.error.clone().unwrap_or_default(),
        ]);
    }
    let json: Vec<Value> = jobs.iter().map(show::json).collect();
    output::list(global, &rows, &Value::from(json))
}

/// The kind itself; a kind that this binary does not know is refused, because a typing error would find nothing.
fn known_kind(kind: &str) -> Result<&str, Failure> {
    let registry = wiring::registry();
    match registry.job(kind) {
        Some(_) => Ok(kind),
        None => Err(no_kind(&registry, kind)),
    }
}

fn no_kind(registry: &Registry, kind: &str) -> Failure {
    let kinds: Vec<_> = registry.jobs().map(|job| job.kind).collect();
    let text = format!("no job kind `{kind}`: there are {}", kinds.join(", "));
    Failure::new(Failure::USAGE, text)
}

async fn enqueue(
    env: &Env,
    global: &Global,
    (organization, kind, args): (&str, &str, &str),
    call: &mut Call,
) -> Outcome {
    let usage = |text: String| Failure::new(Failure::USAGE, text);
    let registry = wiring::registry();
    let def = registry.job(kind).ok_or_else(|| no_kind(&registry, kind))?;
    let args: Value = serde_json::from_str(args)
        .map_err(|error| usage(format!("the arguments are not JSON: {error}")))?;
    let job =
        NewJob::from_def(def, organization, &args).map_err(|error| usage(error.to_string()))?;
    let enqueued = outbox::enqueue_alone(env, job).await?;
    call.made_id = Some(enqueued.id.clone());
    let text = if enqueued.folded {
        format!("{} does the same and is waiting already", enqueued.id)
    } else {
        format!("{} is waiting to run", enqueued.id)
    };
    output::one(
        global,
        &text,
        &json!({ "job_id": enqueued.id, "folded": enqueued.folded }),
    )
}

async fn act(
    env: &Env,
    global: &Global,
    organization: &str,
    action: Act,
    ids: &[String],
) -> Outcome {
    let mut tx = env.db.begin().await?;
    let answers = admin::act(&mut tx, organization, action, ids, env.now()).await?;
    tx.commit().await?;
    let mut rows = Rows::new(&["job", "what became of it"]);
    let mut json = serde_json::Map::new();
    for (id, answer) in &answers {
        let (code, text) = words(answer, action);
        rows.row([id.clone(), text]);
        json.insert(id.clone(), Value::from(code));
    }
    output::list(global, &rows, &Value::Object(json))?;
    let refused = answers
        .values()
        .filter(|answer| **answer != Acted::Done)
        .count();
    if refused > 0 {
        let text = format!("{refused} of {} jobs were left as they are", answers.len());
        return Err(Failure::new(Failure::FAILED, text));
    }
    Ok(())
}

fn words(answer: &Acted, action: Act) -> (&'static str, String) {
    match (answer, action) {
        (Acted::Done, Act::Retry) => ("done", "runs again".to_owned()),
        (Acted::Done, Act::Cancel) => ("done", "cancelled, or asked to stop".to_owned()),
        (Acted::Folded(other), _) => ("folded", format!("{other} with the same key waits already")),
        (Acted::Running, _) => ("job_running", "refused: it is running".to_owned()),
        (Acted::Final, _) => ("job_final", "refused: it has ended".to_owned()),
        (Acted::NotFound, _) => ("job_not_found", "there is no such job".to_owned()),
    }
}
