//! The list of event types is what the code tells, and what the documentation explains.

use std::{collections::BTreeSet, fs, path::{Path, PathBuf}};

use crate::webhooks_out::EVENT_TYPES;

/// How the types of events begin, up to their dot.
const GROUPS: [&str; 5] = ["audience", "member", "sync", "job", "webhook_endpoint"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        if path.is_dir() {
            if stem != "tests" && stem != "testing" {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|end| end == "rs") && !stem.ends_with("tests") {
            found.push(path);
        }
    }
}

#[test]
fn every_type_that_is_told_is_listed_and_explained() {
    let jobs = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(jobs, &mut files);
    let mut told = BTreeSet::new();
    for file in files.iter().filter(|file| !file.ends_with("webhooks_out/mod.rs")) {
        let text = fs::read_to_string(file).unwrap();
        for group in GROUPS {
            for (at, _) in text.match_indices(&format!("\"{group}.")) {
                let word = text[at + 1..].split('"').next().unwrap();
                // Jobs of the family sync have names of that form, and columns of members in SQL.
                let plain = word.chars().all(|letter| letter.is_ascii_lowercase() || "._".contains(letter));
                if plain && (group != "sync" || word == "sync.drift_detected") {
                    told.insert(word.to_owned());
                }
            }
        }
    }
    let listed: BTreeSet<_> = EVENT_TYPES.iter().map(|(word, _)| (*word).to_owned()).collect();
    assert_eq!(told, listed, "EVENT_TYPES and the code name different types");
    let page = fs::read_to_string(jobs.join("../docs/webhooks.md")).unwrap();
    for word in listed {
        assert!(page.contains(&format!("`{word}`")), "docs/webhooks.md does not explain {word}");
    }
}
