//! `memberd config schema`: `config/schema.json`, written from `default.toml`.

use super::key::{Key, is_wildcard};
use super::kind::Kind;
use super::known::{Known, KnownKeys};
use super::value::Value;
use serde_json::{Map, Value as Json, json};

/// Patterns of the names that users choose, by wildcard.
const NAME_PATTERNS: [(&str, &str); 2] = [
    ("<name>", "^[a-z_]+\\.[a-z_]+$"),
    ("<id>", "^[a-z0-9_-]{1,40}$"),
];

/// A JSON Schema (draft 2020-12) of the configuration file.
pub fn schema() -> Json {
    let mut root = table_schema(KnownKeys::embedded(), &Key::root());
    root.insert(
        "$schema".to_owned(),
        json!("https://json-schema.org/draft/2020-12/schema"),
    );
    root.insert("title".to_owned(), json!("memberd.toml"));
    root.insert(
        "description".to_owned(),
        json!("Written from config/default.toml."),
    );
    Json::Object(root)
}

/// The schema of the table `at` with everything below it.
fn table_schema(known: &KnownKeys, at: &Key) -> Map<String, Json> {
    let depth = at.segments().len();
    let mut properties = Map::new();
    let mut patterns = Map::new();
    for key in known
        .keys
        .iter()
        .filter(|key| key.key.segments().starts_with(at.segments()))
    {
        let Some(name) = key.key.segments().get(depth) else {
            continue;
        };
        let inner = at.child(name);
        let pattern = NAME_PATTERNS.iter().find(|(wildcard, _)| wildcard == name);
        let (members, name) = match pattern {
            Some((_, pattern)) if is_wildcard(name) => (&mut patterns, *pattern),
            _ => (&mut properties, name.as_str()),
        };
        // Each table is met once for each of its keys.
        if !members.contains_key(name) {
            members.insert(name.to_owned(), member_schema(known, key, &inner));
        }
    }
    let mut table = Map::new();
    table.insert("type".to_owned(), json!("object"));
    if let Some(section) = known.sections.iter().find(|section| section.key == *at) {
        table.insert("description".to_owned(), json!(section.meaning));
    }
    table.insert("additionalProperties".to_owned(), json!(false));
    if !properties.is_empty() {
        table.insert("properties".to_owned(), Json::Object(properties));
    }
    if !patterns.is_empty() {
        table.insert("patternProperties".to_owned(), Json::Object(patterns));
    }
    table
}

/// The schema of `at`, which is `key` or a table on the way to it.
fn member_schema(known: &KnownKeys, key: &Known, at: &Key) -> Json {
    if key.key == *at {
        return key_schema(key);
    }
    if key.repeated && key.key.parent() == *at {
        return json!({ "$ref": "#/properties/stripe" });
    }
    Json::Object(table_schema(known, at))
}

fn key_schema(known: &Known) -> Json {
    let mut schema = kind_schema(&known.kind);
    if let Json::Object(map) = &mut schema {
        map.insert("description".to_owned(), json!(known.meaning));
        if !known.optional {
            map.insert("default".to_owned(), json_of(&known.default));
        }
    }
    schema
}

fn kind_schema(kind: &Kind) -> Json {
    match kind {
        Kind::Integer(bounds) => {
            json!({ "type": "integer", "minimum": bounds.min, "maximum": bounds.max })
        }
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Duration(bounds) => {
            let comment = format!("a duration, {}", bounds.text);
            json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$", "$comment": comment })
        }
        Kind::Size(bounds) => json!({
            "type": ["string", "integer"],
            "pattern": "^[0-9]+(B|KB|MB|GB|KiB|MiB|GiB)?$",
            "minimum": bounds.min,
            "maximum": bounds.max,
        }),
        Kind::OneOf(words) => json!({ "enum": words }),
        Kind::List(item) => json!({ "type": "array", "items": kind_schema(item) }),
        Kind::Secret => json!({ "type": "string", "writeOnly": true }),
        // Empty means "not set" where a file is named instead.
        Kind::DatabaseUrl => {
            json!({ "type": "string", "pattern": "^(sqlite:|postgres://|postgresql://|$)" })
        }
        Kind::Currency => json!({ "type": "string", "pattern": "^[a-z]{3}$" }),
        Kind::Text
        | Kind::File
        | Kind::Url
        | Kind::Address
        | Kind::Network
        | Kind::Cron
        | Kind::TimeZone => {
            json!({ "type": "string" })
        }
    }
}

fn json_of(value: &Value) -> Json {
    match value {
        Value::Text(text) => json!(text),
        Value::Integer(number) => json!(number),
        Value::Boolean(truth) => json!(truth),
        Value::List(items) => Json::Array(items.iter().map(json_of).collect()),
        Value::Other(_) => Json::Null,
    }
}
