//! Reading `/metrics`.

use std::collections::BTreeMap;

/// Every sample of one scrape, by its name with labels as it is written.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Scrape(BTreeMap<String, String>);

impl Scrape {
    /// Reads Prometheus' text format.
    pub(crate) fn parse(text: &str) -> Self {
        let samples = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        let read = |line: &str| {
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
            (name.to_owned(), value.to_owned())
        };
        Self(samples.map(read).collect())
    }

    /// The sum of all counters whose name and labels hold every part; 0 when there is none yet.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> i64 {
        let fits = |sample: &str| {
            let (found, rest) = sample.split_once('{').unwrap_or((sample, ""));
            let has =
                |(label, value): &(&str, &str)| rest.contains(&format!("{label}=\"{value}\""));
            found == name && labels.iter().all(has)
        };
        let samples = self.0.iter().filter(|(sample, _)| fits(sample));
        samples
            .map(|(sample, value)| {
                value
                    .parse::<i64>()
                    .unwrap_or_else(|_| panic!("{sample} {value}"))
            })
            .sum()
    }

    /// What a counter of webhooks says.
    pub(crate) fn webhooks(&self, outcome: &str) -> i64 {
        self.sum("memberd_stripe_webhooks_total", &[("outcome", outcome)])
    }

    /// What all counters of webhooks say.
    pub(crate) fn all_webhooks(&self) -> i64 {
        self.sum("memberd_stripe_webhooks_total", &[])
    }
}
