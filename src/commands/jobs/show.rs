//! `memberd jobs show`: one job and what became of each of its attempts.

use memberd_jobs::kernel::{
    Env,
    queue::admin::{self, JobRow},
};
use serde_json::{Value, json};

use crate::{
    cli::Global,
    commands::{Failure, Outcome, output, print},
};

/// Shows one job.
///
/// # Errors
/// When there is no such job.
pub(super) async fn run(env: &Env, global: &Global, organization: &str, id: &str) -> Outcome {
    let Some(job) = admin::show(&env.db, organization, id, env.now()).await? else {
        let text = format!(
            "organization `{organization}` has no job `{id}`: finished jobs are kept for retention.jobs"
        );
        return Err(Failure::new(Failure::FAILED, text));
    };
    let attempts = admin::attempts(&env.db, id).await?;
    if global.json {
        let mut whole = json(&job);
        let attempts = attempts.iter().map(|one| {
            json!({ "attempt": one.attempt, "owner": one.owner, "started_at": one.started_at,
                    "ended_at": one.ended_at, "outcome": one.outcome, "error": one.error })
        });
        whole["attempts"] = attempts.collect();
        return print(&whole.to_string());
    }
    let mut text = vec![
        format!("{}  {}  {}", job.id, job.kind, job.state),
        format!("queue      {}, priority {}", job.queue, job.priority),
        format!("arguments  {}", job.args),
        format!("attempt    {} of {}", job.attempt, job.max_attempts),
        format!("created    {}", job.created_at),
    ];
    for (label, at) in [
        ("due", job.due_at),
        ("started", job.started_at),
        ("finished", job.finished_at),
    ] {
        if at.is_some() {
            text.push(format!("{label:<10} {}", output::time(at)));
        }
    }
    for (label, value) in [
        ("owner", &job.owner),
        ("error", &job.error),
        ("report", &job.report),
    ] {
        if let Some(value) = value {
            text.push(format!("{label:<10} {value}"));
        }
    }
    for one in &attempts {
        text.push(format!(
            "\nattempt {} {} at {}\n  {}",
            one.attempt, one.outcome, one.ended_at, one.error
        ));
    }
    print(&text.join("\n"))
}

/// A job as JSON.
pub(super) fn json(job: &JobRow) -> Value {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    json!({ "id": job.id, "kind": job.kind, "queue": job.queue, "state": job.state, "args": parsed(&job.args),
            "priority": job.priority, "attempt": job.attempt, "max_attempts": job.max_attempts,
            "due_at": job.due_at, "created_at": job.created_at, "started_at": job.started_at,
            "finished_at": job.finished_at, "error": job.error, "member_id": job.member_id,
            "schedule": job.schedule, "report": job.report.as_deref().map(parsed) })
}
