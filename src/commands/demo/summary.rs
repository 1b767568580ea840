//! What happened, for people who have never seen memberd.

use std::{collections::BTreeMap, fmt::Write as _};

use reqwest::Client;
use serde_json::Value;

use super::{
    facts::{Told, text},
    measured::Measured,
    metrics,
    setup::{Stage, reachable},
    world::{BUSY_RATE, World},
};

/// Width of the first column.
const FIRST: usize = 15;

/// The summary of the first organization, and what the processes did.
///
/// # Errors
/// When one of the processes does not answer.
pub(super) async fn summary(
    world: &World,
    client: &Client,
    told: &Told,
    measured: &Measured,
) -> anyhow::Result<String> {
    let jobs = metrics::jobs_by_kind(client, &world.open.base).await?;
    let mut text = String::from("\nWhat happened\n\n");
    let mut row = |name: &str, what: String| {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "  {name:<FIRST$}{what}");
    };
    row("members", told.members.len().to_string());
    row("subscriptions", by_status(&told.subscriptions));
    for (at, tier) in tiers(told).into_iter().enumerate() {
        row(if at == 0 { "tiers" } else { "" }, tier);
    }
    row("webhooks", webhooks(measured));
    for (at, (kind, count)) in jobs.iter().enumerate() {
        row(
            if at == 0 { "jobs done" } else { "" },
            format!("{count:>7}  {kind}"),
        );
    }
    row(
        "mirror",
        format!(
            "equal to Stripe {:.1} s after the first member joined, and {:.1} s after the last change",
            measured.filled.as_secs_f64(),
            measured.caught_up.as_secs_f64()
        ),
    );
    Ok(text.trim_end().to_owned())
}

/// `171 active, 14 canceled …`, the most frequent first.
fn by_status(subscriptions: &[Value]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for subscription in subscriptions {
        *counts.entry(text(subscription, "status")).or_default() += 1;
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let words: Vec<String> = counts
        .into_iter()
        .map(|(status, count)| format!("{count} {status}"))
        .collect();
    format!("{}: {}", subscriptions.len(), words.join(", "))
}

/// Tiers with their members, the most frequent first. Who pays for none is in the default tier.
fn tiers(told: &Told) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for member in &told.members {
        *counts.entry(text(member, "tier_id")).or_default() += 1;
    }
    let mut rows: Vec<(usize, &str)> = told
        .tiers
        .iter()
        .map(|tier| {
            let count = counts.get(text(tier, "id")).copied().unwrap_or(0);
            (count, text(tier, "name"))
        })
        .collect();
    rows.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    rows.into_iter()
        .map(|(count, name)| format!("{count:>7}  {name}"))
        .collect()
}

fn webhooks(measured: &Measured) -> String {
    let at = |name: &str| measured.webhook(name).unwrap_or_default();
    format!(
        "{} received, {} of them twice; at {BUSY_RATE} events a second answered within {:.1} ms (half), {:.1} ms \
         (99 of 100)",
        measured.received,
        measured.doubled,
        at("p50"),
        at("p99")
    )
}

/// Where to look and how to stop: lines that can be copied as they are.
pub(super) fn directions(stage: &Stage) -> String {
    let key = stage.keys.text("K_READ");
    let api = reachable(stage.api);
    let mut text = String::from("\nLook at it from another terminal\n\n");
    for path in ["members?limit=3", "subscriptions?limit=3", "jobs?limit=3"] {
        let _ = writeln!(
            text,
            "  curl -sw '\\n' -H 'Authorization: Bearer {key}' 'http://{api}/v1/{path}'"
        );
    }
    let _ = write!(
        text,
        "\n  the outside world   http://{}/\n  the API's routes    http://{api}/openapi.json\n  \
           configuration, log  {}\n\nThe world stays alive: members join, change and leave. Ctrl-C stops it.\n",
        reachable(stage.sandbox),
        stage.folder.path.display()
    );
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tiers_are_listed_with_their_members() {
        let told = Told {
            tiers: vec![
                json!({"id": "prod_1", "name": "Reader", "is_default": true}),
                json!({"id": "prod_2", "name": "Premium", "is_default": false}),
            ],
            members: vec![
                json!({"tier_id": "prod_2"}),
                json!({"tier_id": "prod_1"}),
                json!({"tier_id": "prod_2"}),
            ],
            ..Told::default()
        };
        assert_eq!(tiers(&told), ["      2  Premium", "      1  Reader"]);
    }

    #[test]
    fn statuses_are_counted_the_most_frequent_first() {
        let list = ["canceled", "active", "active"].map(|status| json!({ "status": status }));
        assert_eq!(by_status(&list), "3: 2 active, 1 canceled");
    }
}
