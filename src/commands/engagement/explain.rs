//! `memberd engagement explain`: why a member's score is what it is.

use memberd_jobs::{
    engagement::{
        analytics::period,
        score::{
            self, Score,
            explain::{FactorPoints, Next},
        },
    },
    kernel::Env,
};
use serde_json::{Value, json};

use super::super::{Outcome, members::named, output, print};
use crate::{api::thousandths, cli::Global};

/// What `explain` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// `mem_…`, or `ext:stripe:cus_…`
    member: String,
}

/// Shows a member's score and what it is made of.
pub(super) async fn run(env: &Env, global: &Global, organization: &str, args: &Args) -> Outcome {
    let member = named(env, organization, &args.member).await?;
    let (creator, deleted) = (member.creator_id.as_deref(), member.deleted_at.is_some());
    let score = score::score(env, organization, &member.id, creator, deleted).await?;
    if global.json {
        print(&as_json(&member.id, &score).to_string())
    } else {
        print(&as_text(&member.id, &score))
    }
}

fn as_json(member: &str, of: &Score) -> Value {
    let factor = |factor: &FactorPoints| {
        json!({ "factor": factor.id, "points_milli": factor.points_milli, "cap": factor.cap,
                "effective": thousandths(factor.effective_milli) })
    };
    let next = |next: &Next| {
        let more = next.ways.iter();
        let more: Vec<_> = more
            .map(|way| json!({ "kind": way.kind, "more": way.more }))
            .collect();
        json!({ "level": next.level.as_str(), "score": next.score, "missing_milli": next.missing_milli,
                "more_today": more, "reachable_today": next.today })
    };
    json!({ "member_id": member, "level": of.brief.level.as_str(), "score": of.brief.score, "rank": of.rank,
            "interactions_total": of.interactions(), "interactions_30d": of.brief.interactions_30d,
            "by_kind": of.kinds, "other_kinds": of.others, "last_interaction_at": of.brief.last_at,
            "as_of": period::date(of.as_of).to_string(),
            "factors": of.explanation.factors.iter().map(factor).collect::<Vec<_>>(),
            "next_level": of.explanation.next.as_ref().map(next) })
}

fn as_text(member: &str, of: &Score) -> String {
    let rank = of
        .rank
        .map_or_else(String::new, |rank| format!(", rank {rank}"));
    let mut text = vec![
        format!(
            "{member}  {} with {} points{rank}, as of {}",
            of.brief.level,
            of.brief.score,
            period::date(of.as_of)
        ),
        format!(
            "did       {} in all, {} in the last 30 days, the last at {}",
            of.interactions(),
            of.brief.interactions_30d,
            output::time_or_never(of.brief.last_at)
        ),
    ];
    text.extend(of.explanation.factors.iter().map(factor_line));
    text.extend(of.explanation.next.as_ref().map(next_line));
    text.join("\n")
}

fn factor_line(of: &FactorPoints) -> String {
    let days: Vec<_> = of
        .days
        .iter()
        .map(|day| format!("{} on {}", day.counted, period::date(day.day)))
        .collect();
    let days = if days.is_empty() {
        String::new()
    } else {
        format!(", most from {}", days.join(", "))
    };
    format!(
        "{:<10}{:.3} of {} points: worth {:.1} of today{days}",
        of.id,
        thousandths(of.points_milli),
        of.cap,
        thousandths(of.effective_milli)
    )
}

fn next_line(of: &Next) -> String {
    let ways: Vec<_> = of
        .ways
        .iter()
        .map(|way| format!("{} more {}", way.more, way.kind))
        .collect();
    let how = match (ways.is_empty(), of.today) {
        (false, _) => format!("today by {}", ways.join(", or ")),
        (true, true) => "today by several kinds together".to_owned(),
        (true, false) => "not today".to_owned(),
    };
    let (missing, level, score) = (thousandths(of.missing_milli), of.level, of.score);
    format!("next      {level} at {score} points: {missing:.3} are missing, {how}")
}
