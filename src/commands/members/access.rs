//! `memberd members access`: the answer to "why can she not come in?", readable at night.

use memberd_jobs::{
    entitlements::{
        access::{Access, access},
        store::of_members,
    },
    kernel::{Env, Timestamp},
    members::store::MemberRow,
    sync::{self, MemberSync},
};
use serde_json::json;

use super::{access_line, named};
use crate::{
    cli::Global,
    commands::{Outcome, print},
};

/// What `members access` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// `mem_…`, or `ext:stripe:cus_…`
    id: String,
    /// The product she wants to use; without it any product counts
    #[arg(long, value_name = "ID")]
    product: Option<String>,
}

/// Explains the decision.
///
/// # Errors
/// An unknown member, or a database that fails.
pub(super) async fn run(env: &Env, global: &Global, organization: &str, args: &Args) -> Outcome {
    let member = named(env, organization, &args.id).await?;
    let rows = of_members(&env.db, organization, std::slice::from_ref(&member.id)).await?;
    let known = sync::standing(env, organization, &member.id).await?;
    let now = env.now();
    let product = args.product.as_deref();
    let answer = access(rows, product, member.deleted_at.is_some(), now);
    if global.json {
        print(&as_json(&member, product, &answer, &known, now))
    } else {
        print(&text(&member, product, &answer, &known, now))
    }
}

fn as_json(
    member: &MemberRow,
    product: Option<&str>,
    answer: &Access,
    known: &MemberSync,
    now: Timestamp,
) -> String {
    let reasons: Vec<_> = answer
        .reasons
        .iter()
        .map(|reason| reason.as_str())
        .collect();
    let rows: Vec<_> = answer
        .rows
        .iter()
        .map(|row| {
            json!({ "id": row.id, "product_id": row.product_id, "source_kind": row.source_kind,
                    "source_id": row.source_id, "started_at": row.started_at, "ended_at": row.ended_at,
                    "resumes_at": row.resumes_at, "note": row.note, "active": row.is_active(now) })
        })
        .collect();
    let standing = &known.standing;
    json!({ "member_id": member.id, "product_id": product, "allowed": answer.allowed, "reasons": reasons,
            "entitlements": rows, "next_change_at": answer.next_change_at, "sync_state": known.state.as_str(),
            "as_of": standing.as_of(), "last_event": standing.last_event.as_ref().map(|event| &event.id),
            "last_reconciled_at": standing.reconciled_at, "pending_events": standing.pending_events(),
            "last_error": standing.last_error(), "next_check_at": standing.next_check_at })
    .to_string()
}

fn text(
    member: &MemberRow,
    product: Option<&str>,
    answer: &Access,
    known: &MemberSync,
    now: Timestamp,
) -> String {
    let mut lines = vec![format!(
        "{} {} use {}",
        member.id,
        if answer.allowed { "MAY" } else { "MAY NOT" },
        product.unwrap_or("something")
    )];
    let because = answer.reasons.iter();
    lines
        .extend(because.map(|reason| format!("because  {} ({})", reason.about(), reason.as_str())));
    lines.push(match answer.next_change_at {
        Some(at) => format!("changes  at {at}, in {}", span(at, now)),
        None => "changes  not by itself, as far as is known".to_owned(),
    });
    lines.extend(answer.rows.iter().map(|row| access_line(row, now)));
    lines.extend(freshness(known, now));
    lines.join("\n")
}

fn freshness(known: &MemberSync, now: Timestamp) -> Vec<String> {
    let standing = &known.standing;
    let mut lines = vec![format!("payments {}", known.state.as_str())];
    if let Some(as_of) = standing.as_of() {
        lines.push(format!("known    as of {as_of}, {} ago", span(now, as_of)));
    }
    if let Some(event) = &standing.last_event {
        let (kind, state) = (&event.kind, &event.state);
        lines.push(format!(
            "heard    {kind} at {}, {state} ({})",
            event.received_at, event.id
        ));
    }
    lines.push(format!("waiting  {} events", standing.pending_events()));
    lines.push(format!(
        "compared {}",
        standing.reconciled_at.map_or_else(
            || "never as a whole: `memberd sync reconcile`".to_owned(),
            |at| format!("with Stripe at {at}"),
        )
    ));
    if let Some(error) = standing.last_error() {
        lines.push(format!("failed   {error}"));
    }
    for (kind, id) in &standing.drift {
        lines.push(format!("differs  {kind} {id} is being fetched"));
    }
    for conflict in &known.conflicts {
        let (customer, kind) = (&conflict.customer_id, &conflict.kind);
        lines.push(format!(
            "conflict {customer}: {kind}, names {}",
            conflict.claimed
        ));
    }
    lines.push(standing.next_check_at.map_or_else(
        || "asks     Stripe by itself at no known time: no daemon has run, or the schedules are paused".to_owned(),
        |at| format!("asks     Stripe again at {at}"),
    ));
    lines
}

/// A span of time in its two largest units.
fn span(later: Timestamp, earlier: Timestamp) -> String {
    let seconds = later.since(earlier).as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}
