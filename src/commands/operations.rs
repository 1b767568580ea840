//! `memberd operations`: what was written to Stripe, and what came of it.

use memberd_jobs::{
    kernel::Env,
    operations::{
        State,
        store::{self, Filter, Row},
    },
};
use serde_json::{Value, json};

use super::{
    Failure, Outcome, open,
    output::{self, Rows},
    print, runtime,
};
use crate::cli::Global;

/// What `operations` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whose operations
    #[arg(long, global = true, default_value = "default", value_name = "ID")]
    organization: String,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the newest operations
    List {
        /// Only those in this state; `unknown` are those that somebody should look at
        #[arg(long)]
        state: Option<String>,
        /// How many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i64).range(1..=1000))]
        limit: i64,
    },
    /// Show one operation
    Show {
        /// `op_…`
        id: String,
    },
}

/// Lists and shows operations.
///
/// # Errors
/// An unknown state or operation, or a database that fails.
pub fn run(args: &Args, global: &Global) -> Outcome {
    runtime()?.block_on(async {
        let env = open(global).await?;
        match &args.action {
            Action::List { state, limit } => {
                list(&env, global, &args.organization, state.as_deref(), *limit).await
            }
            Action::Show { id } => show(&env, global, &args.organization, id).await,
        }
    })
}

async fn list(
    env: &Env,
    global: &Global,
    organization: &str,
    state: Option<&str>,
    limit: i64,
) -> Outcome {
    if let Some(word) = state.filter(|word| State::parse(word).is_none()) {
        let known = State::ALL.map(State::as_str).join(", ");
        let text = format!("no state `{word}`: there are {known}");
        return Err(Failure::new(Failure::USAGE, text));
    }
    let filter = Filter {
        state,
        ..Filter::default()
    };
    let found = store::list(&env.db, organization, &filter, None, limit).await?;
    let mut rows = Rows::new(&[
        "id", "kind", "state", "object", "sends", "code", "ordered", "by",
    ]);
    for row in &found {
        rows.row([
            row.id.clone(),
            row.kind.clone(),
            row.state.clone(),
            row.object_id.clone().unwrap_or_default(),
            row.sends.to_string(),
            row.error_code.clone().unwrap_or_default(),
            row.created_at.to_string(),
            row.actor.clone(),
        ]);
    }
    let json: Vec<Value> = found.iter().map(as_json).collect();
    output::list(global, &rows, &Value::from(json))
}

async fn show(env: &Env, global: &Global, organization: &str, id: &str) -> Outcome {
    let row = store::get(&env.db, organization, id).await?;
    let row = row.ok_or_else(|| {
        let text = format!("organization `{organization}` has no operation `{id}`");
        Failure::new(Failure::FAILED, text)
    })?;
    let json = as_json(&row);
    if global.json {
        return print(&json.to_string());
    }
    let mut lines = Vec::new();
    for (name, value) in json.as_object().into_iter().flatten() {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        if !value.is_null() {
            lines.push(format!("{name:<15}{text}"));
        }
    }
    print(&lines.join("\n"))
}

fn as_json(row: &Row) -> Value {
    let answer: Option<Value> = row
        .answer
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok());
    json!({ "id": row.id, "kind": row.kind, "state": row.state, "method": row.method, "path": row.path,
            "object_type": row.object_type, "object_id": row.object_id, "member_id": row.member_id,
            "after": row.after_id, "sends": row.sends, "first_sent_at": row.first_sent_at,
            "http_status": row.http_status, "request_id": row.request_id, "error_code": row.error_code,
            "error": row.error, "answer": answer, "job_id": row.job_id, "actor": row.actor,
            "created_at": row.created_at, "ended_at": row.ended_at })
}
