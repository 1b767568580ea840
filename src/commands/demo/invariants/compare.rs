//! Comparing two sets of names so that people see what differs.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;

/// So many names are shown of each kind of difference.
const SHOWN: usize = 3;

/// Checks that `found` has exactly the `wanted` names, each once.
///
/// # Errors
/// What is missing, too much or there twice.
pub(super) fn same<'a>(
    wanted: impl IntoIterator<Item = &'a str>,
    found: impl IntoIterator<Item = &'a str>,
) -> anyhow::Result<usize> {
    let wanted: BTreeSet<&str> = wanted.into_iter().collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in found {
        *counts.entry(name).or_default() += 1;
    }
    let missing = wanted.iter().filter(|name| !counts.contains_key(*name));
    let extra = counts.keys().filter(|name| !wanted.contains(*name));
    let twice = counts
        .iter()
        .filter(|(_, count)| **count > 1)
        .map(|(name, _)| name);
    let problems: Vec<String> = [
        some("missing", missing.copied()),
        some("too many", extra.copied()),
        some("there more than once", twice.copied()),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !problems.is_empty() {
        bail!("{}", problems.join("; "));
    }
    Ok(wanted.len())
}

/// `3 missing (a, b, c)`, or nothing.
pub(super) fn some<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let names: Vec<&str> = names.collect();
    let shown = names[..names.len().min(SHOWN)].join(", ");
    let more = if names.len() > SHOWN { ", …" } else { "" };
    (!names.is_empty()).then(|| format!("{} {what} ({shown}{more})", names.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sets_are_counted() {
        assert_eq!(same(["b", "a"], ["a", "b"]).unwrap(), 2);
    }

    #[test]
    fn every_difference_is_named() {
        let why = same(["a", "b", "c", "d", "e"], ["e", "e", "f"])
            .unwrap_err()
            .to_string();
        assert_eq!(
            why,
            "4 missing (a, b, c, …); 1 too many (f); 1 there more than once (e)"
        );
    }
}
