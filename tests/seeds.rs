//! `docs/seeds.md` lists every row of the checklist that it is about, and names tests that exist.

use std::{collections::BTreeSet, fs, path::Path};

use crate::tidy::sources;

/// The rows of the checklist that concern the control API, of seeds 000, 002 and 003, and those of 001 about who calls
/// it, and about engagement.
const ROWS: &[std::ops::RangeInclusive<u32>] = &[
    1..=25,
    29..=46,
    47..=47,
    50..=51,
    54..=55,
    59..=59,
    69..=75,
    85..=85,
    98..=98,
    105..=106,
    112..=123,
    125..=125,
    127..=129,
    132..=135,
    137..=138,
    141..=147,
    149..=151,
    153..=157,
    160..=165,
];

/// The cells of each row of the page's tables.
fn rows() -> Vec<Vec<String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/seeds.md");
    let page = fs::read_to_string(page).unwrap();
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect();
    let rows = page.lines().filter(|line| {
        let first = line.strip_prefix("| ").and_then(|rest| rest.chars().next());
        first.is_some_and(|letter| letter.is_ascii_digit())
    });
    rows.map(cells).collect()
}

#[test]
fn every_row_of_the_checklist_is_listed_once() {
    let listed: Vec<u32> = rows().iter().map(|row| row[1].parse().unwrap()).collect();
    let wanted: Vec<u32> = ROWS.iter().cloned().flatten().collect();
    assert_eq!(listed, wanted);
}

#[test]
fn every_row_works_by_a_test_or_says_why_not() {
    let code: String = ["jobs", "src", "tests"]
        .map(sources)
        .concat()
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    for row in rows() {
        let [_, number, _, state, how, tests, _] = row.as_slice() else {
            panic!("{row:?} has not five cells");
        };
        let tests: BTreeSet<&str> = tests.split('`').skip(1).step_by(2).collect();
        let named = !tests.is_empty();
        match state.as_str() {
            "works" => assert!(named, "row {number} names no test"),
            "partly" => assert!(
                named && how.contains("not offered, "),
                "row {number} does not say which part is not offered, and why"
            ),
            "not offered" => assert!(!how.is_empty(), "row {number} has no reason"),
            other => panic!("row {number}: `{other}`"),
        }
        for test in tests {
            assert!(
                code.contains(&format!("fn {test}(")),
                "row {number}: there is no test {test}"
            );
        }
    }
}
