//! The files that are written from `default.toml` are up to date.

use crate::config::{reference, schema};

/// What to do when one is not.
const FIX: &str = "run ./dev gen";

#[test]
fn the_reference_is_up_to_date() {
    let committed = include_str!("../../../docs/configuration.md");
    assert!(
        committed == reference(),
        "docs/configuration.md is out of date: {FIX}"
    );
}

#[test]
fn the_schema_is_up_to_date() {
    let committed = include_str!("../../../config/schema.json");
    let committed: serde_json::Value = serde_json::from_str(committed).unwrap();
    assert!(
        committed == schema(),
        "config/schema.json is out of date: {FIX}"
    );
}

#[test]
fn the_schema_has_types_ranges_words_and_names() {
    let schema = schema();
    let at = |path: &str| schema.pointer(path).cloned().unwrap_or_default();
    assert_eq!(
        at("/properties/server/properties/connections_max/maximum"),
        100_000
    );
    assert_eq!(at("/properties/database/properties/migrate/enum/1"), "auto");
    assert_eq!(at("/properties/server/additionalProperties"), false);
    let organization = "/properties/organizations/patternProperties/^[a-z0-9_-]{1,40}$/properties";
    assert_eq!(at(&format!("{organization}/currency/default")), "usd");
    assert_eq!(
        at(&format!("{organization}/stripe/$ref")),
        "#/properties/stripe"
    );
}
