//! `memberd report engagement`: a period as a table, and with its days as a picture.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::builder::PossibleValuesParser;
use memberd_jobs::{
    creators,
    engagement::{
        analytics::{Analytics, Period, Window, analytics, period},
        days::{DayRow, series},
        definition::zone,
        local_day,
    },
    kernel::{Env, scoring::Level},
};
use serde_json::{Value, json};

use super::super::{
    Failure, Outcome,
    output::{self, Rows},
};
use crate::{
    api::EngagementAnalytics,
    cli::Global,
    picture::{Bar, Picture},
};

/// Days that are drawn, up to the end of the period.
const DAYS_DRAWN: i64 = 90;

/// What a line shows of each day.
type Line = (&'static str, fn(&DayRow) -> i64);

/// What `engagement` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which period of the calendar
    #[arg(long, default_value = "month", value_parser = PossibleValuesParser::new(Period::ALL.map(Period::as_str)))]
    period: String,
    /// A day of the period, such as 2026-01-15 [default: today]
    #[arg(long)]
    date: Option<NaiveDate>,
    /// Members of this creator, by her id or external id
    #[arg(long, value_name = "ID")]
    creator: Option<String>,
    /// Draw the levels and the days into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// Prints the figures of a period, and draws them where a file is named.
pub(super) async fn run(env: &Env, global: &Global, organization: &str, args: &Args) -> Outcome {
    let creator = match &args.creator {
        Some(word) => Some(known_creator(env, organization, word).await?),
        None => None,
    };
    let zone = zone(env, organization, creator.as_deref()).await?;
    let today = period::date(local_day(zone, env.now()));
    let of = Period::ALL
        .into_iter()
        .find(|period| period.as_str() == args.period)
        .unwrap_or_default();
    let date = args.date.unwrap_or(today);
    let window = Window::of(of, date, today).ok_or_else(|| {
        let text = format!("{date} is not from 1970-01-02 to {today}, which is today in {zone}");
        Failure::new(Failure::USAGE, text)
    })?;
    let figures = analytics(env, organization, creator.as_deref(), zone, window).await?;
    let whose = creator.as_deref().unwrap_or_default();
    let from = window.now.to - DAYS_DRAWN;
    let days = series(&env.db, organization, whose, from, window.now.to).await?;
    if let Some(file) = &args.svg {
        std::fs::write(file, drawn(&figures, &days)).map_err(|error| {
            let text = format!("{}: {error}", file.display());
            Failure::new(Failure::FAILED, text)
        })?;
    }
    let rows = table(&figures);
    let zone = zone.name().to_owned();
    let mut json = json!(EngagementAnalytics::of(of, creator, zone, figures));
    json["days"] = days.iter().map(day_json).collect();
    output::list(global, &rows, &json)
}

async fn known_creator(env: &Env, organization: &str, word: &str) -> Result<String, Failure> {
    let found = creators::find(&env.db, organization, word).await?;
    found.map(|creator| creator.id).ok_or_else(|| {
        let text = format!("organization `{organization}` has no creator `{word}`");
        Failure::new(Failure::FAILED, text)
    })
}

fn day_json(row: &DayRow) -> Value {
    json!({ "day": period::date(row.day).to_string(), "members": row.members, "active": row.active, "new": row.new,
            "churned": row.churned, "interactions": row.interactions, "score_sum": row.score_sum,
            "superfans": row.superfans, "engaged": row.engaged, "casual": row.casual, "inactive": row.inactive })
}

fn table(of: &Analytics) -> Rows {
    let mut rows = Rows::new(&["figure", "value"]);
    let mut row = |name: &str, value: String| rows.row([name.to_owned(), value]);
    let rate = |of: Option<f64>| of.map_or_else(String::new, |of| format!("{:+.1} %", of * 100.0));
    let (from, to) = (
        period::date(of.window.now.from),
        period::date(of.window.now.to),
    );
    row("period", format!("{from} to {to}"));
    row("members", of.members.to_string());
    row("active", of.active.to_string());
    row("new", of.new.to_string());
    row("churned", of.churned.to_string());
    row("net growth", of.net_growth().to_string());
    row("growth rate", rate(of.growth_rate()));
    for level in Level::ALL.into_iter().rev() {
        let of_level = of.level(level);
        let share = of.share(&of_level) * 100.0;
        row(
            level.as_str(),
            format!("{} ({share:.1} %)", of_level.members),
        );
    }
    let score = of.average_score();
    row(
        "average score",
        score.map_or_else(String::new, |of| format!("{of:.1}")),
    );
    row("interactions", of.interactions().to_string());
    for (kind, figures) in &of.kinds {
        row(&format!("  {kind}"), figures.n.to_string());
    }
    row("trend", rate(of.trend()));
    let kept = of.retention_rate();
    row(
        "retention",
        kept.map_or_else(String::new, |of| format!("{:.1} %", of * 100.0)),
    );
    let minutes = of.session_minutes();
    row(
        "session",
        minutes.map_or_else(String::new, |of| format!("{of:.1} min")),
    );
    rows
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn drawn(of: &Analytics, days: &[DayRow]) -> String {
    let mut picture = Picture::new();
    let (from, to) = (
        period::date(of.window.now.from),
        period::date(of.window.now.to),
    );
    picture.heading(&format!("Members by level, {from} to {to}"));
    let bar = |level: Level| {
        let of_level = of.level(level);
        Bar {
            name: level.to_string(),
            value: of_level.members as f64,
            shown: format!(
                "{} ({:.1} %)",
                of_level.members,
                of.share(&of_level) * 100.0
            ),
            strong: true,
        }
    };
    let bars: Vec<_> = Level::ALL.into_iter().rev().map(bar).collect();
    picture.bars(&bars);
    let lines: [Line; 2] = [
        ("Interactions a day", |day| day.interactions),
        ("Active members a day", |day| day.active),
    ];
    for (title, figure) in lines {
        picture.heading(title);
        let points: Vec<_> = days
            .iter()
            .map(|day| (day.day as f64, figure(day) as f64))
            .collect();
        let end = |day: Option<&DayRow>| {
            let text = |day: &DayRow| format!("{}: {}", period::date(day.day), figure(day));
            day.map_or_else(String::new, text)
        };
        picture.line(&points, [&end(days.first()), &end(days.last())]);
    }
    picture.finish()
}

#[cfg(test)]
mod tests {
    use memberd_jobs::{
        kernel::scoring::Scoring,
        testing::{
            TestDb,
            engaged::{Did, Engaged, Somebody, TODAY},
        },
    };

    use super::*;

    #[tokio::test]
    async fn a_report_draws_the_levels_and_the_days() {
        let db = TestDb::sqlite().await;
        let world = Engaged::begin(&db, Scoring::default()).await;
        let views = Did {
            ago: 0,
            kind: 1,
            n: 3,
            seconds: 0,
        };
        world.put(&Somebody::new("mem_1", &[views])).await;
        world.put(&Somebody::new("mem_2", &[])).await;
        let today = period::date(TODAY);
        let window = Window::of(Period::Month, today, today).unwrap();
        let of = analytics(&db.env, "default", None, chrono_tz::UTC, window)
            .await
            .unwrap();
        let day = |day, interactions| DayRow {
            day,
            members: 2,
            active: 1,
            new: 0,
            churned: 0,
            interactions,
            score_sum: 5,
            superfans: 0,
            engaged: 0,
            casual: 1,
            inactive: 1,
        };
        let text = drawn(&of, &[day(TODAY - 2, 7), day(TODAY - 1, 3)]);
        for part in [
            "casual",
            "1 (50.0 %)",
            "2026-01-13: 7",
            "2026-01-14: 3",
            "polyline",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
