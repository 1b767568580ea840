//! The table and the picture.

use std::{fmt::Write as _, path::Path};

use crate::{
    figures::{Idle, Row, Setup},
    page::machine,
};

/// The goals, as the issue of the spine sets them.
const ANSWER_P99_MS: f64 = 20.0;
const EFFECT_MS: f64 = 1_000.0;
const IDLE_MIB: f64 = 60.0;
const IDLE_CPU_PERCENT: f64 = 1.0;

const HEADINGS: &str = "| load | answered/s | answer p50 | p99 | max | effect p50 | p99 | failed | CPU | other programs | memory, \
     highest |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n";

/// The whole page.
pub(crate) fn markdown(setup: &Setup, folder: &Path, idle: &Idle, rows: &[Row]) -> String {
    let mut text = String::from("# Webhooks: how quickly they are answered and take effect\n\n");
    let _ = writeln!(
        text,
        "Written by `./dev bench webhooks`; do not edit. Medians of {} rounds of {} s each on {}.\n\n\
         A release build of the daemon on SQLite (WAL, `synchronous=FULL`: a webhook is answered after its commit is on \
         the disk). The load, the fake Stripe and the daemon share the machine. The paced loads do not wait for answers, \
         and a time counts from the moment at which the event was due; the last load has 16 connections that send as \
         fast as they are answered. *Effect* is the time from sending the webhook of a new customer until \
         `GET /v1/members/ext:stripe:…` shows the member, asked all the time. The \
         daemon may ask the fake Stripe 1,000 times a second here (`stripe.rate_limit`). With the default of 40, and with \
         the 100 that Stripe allows, effects wait once more objects than that change in a second; answers do not.\n",
        setup.rounds,
        setup.load.as_secs(),
        machine(folder),
    );
    text.push_str(HEADINGS);
    for row in rows {
        let _ = writeln!(
            text,
            "| {} | {:.0} | {:.2} ms | {:.2} ms | {:.1} ms | {:.0} ms | {:.0} ms | {:.0} | {:.0} % of a core | {:.0} % of a core | {:.1} MiB |",
            row.name(),
            row.rate,
            row.p50,
            row.p99,
            row.max,
            row.effect_p50,
            row.effect_p99,
            row.failed,
            row.cpu_percent,
            row.others_percent,
            row.peak_mib,
        );
    }
    text.push_str("\n![Answers by load](webhooks.svg)\n\n");
    text.push_str(&goals(idle, &rows[0]));
    let _ = writeln!(
        text,
        "\nIdle is measured after the load of 200/s and one poll of events, over {} s without any request; schedules started {} jobs in all rounds \
         together. *Other programs* is CPU that neither the daemon nor this measurement used: the more of it, the less \
         the figures say.",
        setup.idle.as_secs(),
        idle.jobs
    );
    text
}

/// The goals, as figures at rest and under the first load reach or miss them.
fn goals(idle: &Idle, first: &Row) -> String {
    let mut text = String::from("| goal | measured | |\n|---|--:|---|\n");
    let goals = [
        (
            "answers at 200/s: p99 at most 20 ms",
            format!("{:.2} ms (worst round {:.2})", first.p99, first.p99_worst),
            first.p99 <= ANSWER_P99_MS,
        ),
        (
            "effect readable at 200/s: p99 within 1 s",
            format!("{:.0} ms", first.effect_p99),
            first.effect_p99 <= EFFECT_MS,
        ),
        (
            "idle: less than 60 MiB resident",
            format!("{:.1} MiB", idle.rss_mib),
            idle.rss_mib < IDLE_MIB,
        ),
        (
            "idle: less than 1 % of a core",
            format!(
                "{:.2} % (worst round {:.2})",
                idle.cpu_percent, idle.cpu_percent_max
            ),
            idle.cpu_percent_max < IDLE_CPU_PERCENT,
        ),
    ];
    for (goal, measured, reached) in goals {
        let word = if reached { "reached" } else { "**missed**" };
        let _ = writeln!(text, "| {goal} | {measured} | {word} |");
    }
    text
}

const WIDTH: f64 = 720.0;
const ROW_HEIGHT: f64 = 54.0;
const TOP: f64 = 56.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 90.0;

/// A bar for p50 and one for p99 of the answers, for each load, with a line at the goal.
pub(crate) fn svg(rows: &[Row]) -> String {
    let longest = rows.iter().map(|row| row.p99).fold(ANSWER_P99_MS, f64::max);
    let scale = (WIDTH - LEFT - RIGHT) / longest;
    let mut bars = String::new();
    let mut y = TOP;
    for row in rows {
        let _ = writeln!(
            bars,
            r#"<text x="{}" y="{}" text-anchor="end">{}</text>"#,
            LEFT - 10.0,
            y + 24.0,
            row.name()
        );
        for (value, colour, name, at) in [
            (row.p50, "#7aa6c2", "p50", y),
            (row.p99, "#1f5f8b", "p99", y + 20.0),
        ] {
            let width = (value * scale).max(1.0);
            let _ = writeln!(
                bars,
                r#"<rect x="{LEFT}" y="{at}" width="{width:.1}" height="17" fill="{colour}"/>"#
            );
            let _ = writeln!(
                bars,
                r#"<text x="{:.1}" y="{}" font-size="12">{name} {value:.2} ms</text>"#,
                LEFT + width + 5.0,
                at + 13.0
            );
        }
        y += ROW_HEIGHT;
    }
    let goal = LEFT + ANSWER_P99_MS * scale;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {bottom}\" font-family=\"sans-serif\" \
         font-size=\"14\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"16\">Time to answer a webhook (SQLite, durable commits)</text>\n\
         {bars}<line x1=\"{goal:.1}\" y1=\"{line_top}\" x2=\"{goal:.1}\" y2=\"{y}\" stroke=\"#b03030\" \
         stroke-dasharray=\"4 3\"/>\n<text x=\"{goal:.1}\" y=\"{label}\" fill=\"#b03030\" font-size=\"12\" \
         text-anchor=\"middle\">goal: p99 at 200/s</text>\n</svg>\n",
        bottom = y + 24.0,
        line_top = TOP - 8.0,
        label = y + 16.0,
    )
}
