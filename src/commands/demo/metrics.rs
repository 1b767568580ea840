//! The few numbers of `/metrics` that the demo tells people.

use std::collections::BTreeMap;

use anyhow::Context as _;
use reqwest::Client;

/// Counts runs of jobs.
const FINISHED: &str = "memberd_jobs_finished_total";

/// How many runs ended well, by kind of job.
///
/// # Errors
/// When the daemon does not answer.
pub(super) async fn jobs_by_kind(
    client: &Client,
    base: &str,
) -> anyhow::Result<BTreeMap<String, u64>> {
    let url = format!("{base}/metrics");
    let answer = client.get(&url).send().await;
    let text = answer
        .with_context(|| format!("GET {url} is not answered"))?
        .error_for_status()?
        .text()
        .await?;
    Ok(completed(&text))
}

fn completed(text: &str) -> BTreeMap<String, u64> {
    let mut kinds = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with(FINISHED)) {
        let Some((labels, count)) = line.rsplit_once(' ') else {
            continue;
        };
        let count = count.parse::<u64>().ok();
        if let (Some(kind), Some("completed"), Some(count)) =
            (label(labels, "kind"), label(labels, "outcome"), count)
        {
            *kinds.entry(kind.to_owned()).or_default() += count;
        }
    }
    kinds
}

fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = labels.split_once(&format!("{name}=\""))?;
    Some(rest.split_once('"')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completed_runs_are_counted_by_kind() {
        let text = "# TYPE memberd_jobs_finished_total counter\n\
            memberd_jobs_finished_total{kind=\"sync.fetch_object\",outcome=\"completed\"} 12\n\
            memberd_jobs_finished_total{kind=\"sync.fetch_object\",outcome=\"retry\"} 3\n\
            memberd_jobs_finished_total{outcome=\"completed\",kind=\"sync.poll_events\"} 1\n\
            memberd_other_total{kind=\"x\",outcome=\"completed\"} 9\n";
        let expected = [("sync.fetch_object", 12), ("sync.poll_events", 1)];
        let expected = expected.map(|(kind, count)| (kind.to_owned(), count));
        assert_eq!(completed(text), BTreeMap::from(expected));
    }
}
