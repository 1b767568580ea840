//! `memberd sync`: filling, repairing and proving the mirror of Stripe.

use memberd_jobs::{
    access::activity::Call,
    kernel::{Env, Job, Timestamp, outbox, outbox::NewJob},
    sync::{
        self, BackfillObjects, ReconcileObjects,
        store::{
            cursors, parked,
            runs::{self, DriftRow, Run},
        },
    },
};
use serde_json::{Value, json};

use super::{
    Failure, Outcome,
    activity::{logged, no_organization},
    open,
    output::{self, Progress, Rows},
    print, runtime,
};
use crate::cli::Global;

/// Differences printed by `diff`; the count is always that of all.
const DIFF_LINES_MAX: usize = 50;

/// Reconciliations that `status` shows.
const RECONCILIATIONS_SHOWN: i64 = 3;

/// Fields in which the mirror differed that `status` shows.
const DRIFT_SHOWN: i64 = 20;

/// What `sync` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whose mirror
    #[arg(long, global = true, default_value = "default", value_name = "ID")]
    organization: String,
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Copy, Debug, clap::Subcommand)]
enum Action {
    /// Walk everything that Stripe has and fill the mirror; a job of the daemon does it
    Backfill,
    /// Compare with Stripe and repair what differs; a job of the daemon does it
    Reconcile,
    /// Compare the whole mirror with Stripe now, change nothing; exits with 4 when they differ
    Diff,
    /// Build the projections anew from the raw objects, without asking Stripe; an interrupted run goes on where it was
    Reproject,
    /// Show what is mirrored, how far the walks have come, and in what the mirror differed
    Status,
}

/// Starts walks, compares, shows.
///
/// # Errors
/// An organization without a Stripe key, Stripe's refusal, or a difference (exit code 4).
pub fn run(args: &Args, global: &Global) -> Outcome {
    runtime()?.block_on(async {
        let env = open(global).await?;
        let id = args.organization.as_str();
        let Some(organization) = env.settings.organizations.get(id) else {
            return Err(no_organization(&env, id));
        };
        if !organization.has_stripe && !matches!(args.action, Action::Status | Action::Reproject) {
            let text = format!("organization `{id}` has no Stripe key: set stripe.secret_key_file");
            return Err(Failure::new(Failure::USAGE, text));
        }
        match args.action {
            Action::Backfill => {
                let job = BackfillObjects::default();
                let enqueue = async |call: &mut Call| enqueue(&env, global, id, &job, call).await;
                logged(&env, id, "sync backfill", None, enqueue).await
            }
            Action::Reconcile => {
                let job = ReconcileObjects {
                    organization: Some(id.to_owned()),
                };
                let enqueue = async |call: &mut Call| enqueue(&env, global, id, &job, call).await;
                logged(&env, id, "sync reconcile", None, enqueue).await
            }
            Action::Diff => diff(&env, global, id).await,
            Action::Reproject => {
                let reproject = async |_: &mut Call| reproject(&env, global, id).await;
                logged(&env, id, "sync reproject", None, reproject).await
            }
            Action::Status => status(&env, global, id).await,
        }
    })
}

async fn enqueue<J: Job>(
    env: &Env,
    global: &Global,
    organization: &str,
    job: &J,
    call: &mut Call,
) -> Outcome {
    let job = outbox::enqueue_alone(env, NewJob::of(organization, job)?).await?;
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

async fn diff(env: &Env, global: &Global, organization: &str) -> Outcome {
    let comparison = sync::diff(env, organization)
        .await
        .map_err(|error| Failure::new(Failure::FAILED, error.to_string()))?;
    let compared: u64 = comparison.compared.values().sum();
    if global.json {
        print(&json!(comparison).to_string())?;
    } else {
        for drift in comparison.drift.iter().take(DIFF_LINES_MAX) {
            let fields = drift.fields.join(", ");
            print(&format!(
                "{} {}: {} ({fields})",
                drift.object_type, drift.id, drift.how
            ))?;
        }
        print(&format!(
            "{compared} objects compared, {} differ",
            comparison.drift.len()
        ))?;
    }
    if comparison.drift.is_empty() {
        return Ok(());
    }
    let text = "the mirror is not equal to Stripe: `memberd sync reconcile` repairs it";
    Err(Failure::new(Failure::FOUND, text))
}

async fn reproject(env: &Env, global: &Global, organization: &str) -> Outcome {
    let mut progress = Progress::begin();
    let done = sync::reproject(env, organization, |sync::Progress { step, done, of }| {
        let words = || format!("{done} of {of} ({step})");
        progress.tell(done.unsigned_abs(), words);
    })
    .await;
    progress.end();
    let done = done?;
    let text = format!(
        "{done} objects and members went through; the projections are what the raw objects say"
    );
    output::one(global, &text, &json!({ "objects": done }))
}

async fn status(env: &Env, global: &Global, organization: &str) -> Outcome {
    let objects = sync::store::status::objects(&env.db, organization).await?;
    let events = sync::store::status::events(&env.db, organization).await?;
    let cursors = cursors::all(&env.db, organization).await?;
    let mut rows = Rows::new(&["what", "count", "state", "as of"]);
    let has_stripe = env
        .settings
        .organizations
        .get(organization)
        .is_some_and(|it| it.has_stripe);
    let parked = parked::get(&env.db, organization)
        .await?
        .filter(|_| has_stripe);
    if let Some(parked) = &parked {
        rows.row([
            format!("waits: {}", parked.reason),
            String::new(),
            "parked".to_owned(),
            parked.since.to_string(),
        ]);
    }
    for (kind, count, oldest) in &objects {
        rows.row([
            format!("mirror: {kind}"),
            count.to_string(),
            String::new(),
            oldest.to_string(),
        ]);
    }
    for (state, count, last) in &events {
        rows.row([
            format!("events: {state}"),
            count.to_string(),
            String::new(),
            last.to_string(),
        ]);
    }
    for cursor in &cursors {
        let (stream, state) = (cursor.stream.clone(), cursor.state.clone());
        rows.row([
            stream,
            cursor.objects.to_string(),
            state,
            cursor.updated_at.to_string(),
        ]);
    }
    let reconciliations = runs::latest(&env.db, organization, RECONCILIATIONS_SHOWN).await?;
    let drift = runs::drift(&env.db, organization, DRIFT_SHOWN).await?;
    show_drift(&mut rows, &reconciliations, &drift);
    let counted = |all: &[(String, i64, Timestamp)], time: &str| -> Value {
        all.iter()
            .map(|(word, count, at)| (word.clone(), json!({ "count": count, time: at })))
            .collect()
    };
    let walks: Value = cursors
        .iter()
        .map(|one| {
            (
                one.stream.clone(),
                json!({ "state": one.state, "objects": one.objects, "updated_at": one.updated_at }),
            )
        })
        .collect();
    let json = json!({ "objects": counted(&objects, "oldest_as_of"), "events": counted(&events, "last_received_at"),
                       "walks": walks, "reconciliations": reconciliations, "drift": drift, "parked": parked });
    output::list(global, &rows, &json)
}

/// The latest reconciliations, and in what the mirror differed.
fn show_drift(rows: &mut Rows, reconciliations: &[Run], drift: &[DriftRow]) {
    for run in reconciliations {
        rows.row([
            format!("reconciliation: {} differed", run.drifted),
            run.objects.to_string(),
            run.state.clone(),
            run.finished_at.unwrap_or(run.started_at).to_string(),
        ]);
    }
    for one in drift {
        let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        rows.row([
            format!(
                "drift: {} {}: {}",
                one.object_type, one.object_id, one.field
            ),
            String::new(),
            format!("{} -> {}", side(&one.ours), side(&one.stripes)),
            one.found_at.to_string(),
        ]);
    }
}
