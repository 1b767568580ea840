//! `memberd config show` and `config check`: what is set and where it comes from, never a secret.

use super::Loaded;
use super::database::without_password;
use super::key::Key;
use super::kind::Kind;
use super::known::{KnownKeys, Lookup};
use super::layers::Entry;
use super::problem::Origin;
use super::value::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::json;

/// Longest value in a message, in letters.
const SHOWN_LENGTH_MAX: usize = 100;

/// Pieces of Stripe's secrets: wherever they are found, somebody took the wrong key.
const SECRET_MARKS: [&str; 5] = ["sk_test_", "sk_live_", "rk_test_", "rk_live_", "whsec_"];

/// Every key with its value and origin, as TOML. Secrets stand in comments as `[set]` or
/// `[not set]`, so that the text, read as a file, gives the same configuration without them.
pub fn show(loaded: &Loaded) -> String {
    let mut text = String::new();
    for (key, known) in in_order(&loaded.entries) {
        let Some(entry) = loaded.entries.get(key) else {
            continue;
        };
        let line = line(loaded, key, entry, &known.kind);
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// What `memberd config check` says about a good configuration.
pub fn check(loaded: &Loaded) -> String {
    let count = |is: fn(&Origin) -> bool| {
        loaded
            .entries
            .values()
            .filter(|entry| !entry.inherited && is(&entry.origin))
            .count()
    };
    let file = loaded
        .file
        .as_ref()
        .map_or_else(|| "no file".to_owned(), |path| path.display().to_string());
    let mut text = format!(
        "the configuration is good; keys: {} from {file}, {} from the environment, {} from flags, \
         {} by default; organizations: {}; schedules changed: {}",
        count(|origin| matches!(origin, Origin::File { .. })),
        count(|origin| matches!(origin, Origin::Environment { .. })),
        count(|origin| matches!(origin, Origin::Flag { .. })),
        count(|origin| *origin == Origin::Default),
        loaded.config.organizations.len(),
        loaded.config.schedules.len(),
    );
    for warning in &loaded.warnings {
        // Writing to a String cannot fail.
        let _ = write!(text, "\nwarning: {warning}");
    }
    text
}

/// A value for a message, or `None` if it is or may be a secret.
pub(super) fn shown(value: &Value, kind: &Kind) -> Option<String> {
    let text = match (kind, value) {
        (kind, _) if kind.is_secret() => return None,
        (Kind::DatabaseUrl, Value::Text(url)) => {
            let (url, _) = without_password(url);
            Value::Text(url).to_string()
        }
        // Its type is named by what is wrong with it.
        (_, Value::Other(_)) => return None,
        (_, value) if may_be_secret(value) => return None,
        (_, value) => value.to_string(),
    };
    if text.chars().count() > SHOWN_LENGTH_MAX {
        let start: String = text.chars().take(SHOWN_LENGTH_MAX).collect();
        return Some(format!("{start}…"));
    }
    Some(text)
}

/// Whether a value that should be no secret looks like one in the wrong place.
fn may_be_secret(value: &Value) -> bool {
    match value {
        Value::Text(text) => {
            SECRET_MARKS.iter().any(|mark| text.contains(mark))
                || (text.contains("://") && text.contains('@'))
        }
        Value::List(items) => items.iter().any(may_be_secret),
        Value::Integer(_) | Value::Boolean(_) | Value::Other(_) => false,
    }
}

/// The keys in the order of `default.toml`; schedules and organizations follow by name.
fn in_order(entries: &BTreeMap<Key, Entry>) -> Vec<(&Key, &'static super::known::Known)> {
    let known = KnownKeys::embedded();
    let mut keys: Vec<(&Key, &'static super::known::Known)> = Vec::new();
    for one in known.keys.iter().filter(|one| !one.key.is_template()) {
        keys.push((&one.key, one));
    }
    for key in entries.keys() {
        if let Lookup::Key(one) = known.lookup(key)
            && one.key.is_template()
        {
            keys.push((key, one));
        }
    }
    keys
}

/// What may be told of a key's value.
enum Told<'a> {
    /// All of it.
    Value(Value),
    /// It without its password, so that it is not the value any more.
    WithoutPassword(Value),
    /// Whether it is there, and where it comes from.
    Secret {
        set: bool,
        from: Option<&'a Key>,
        origin: &'a Origin,
    },
}

fn told<'a>(loaded: &'a Loaded, key: &Key, entry: &'a Entry, kind: &Kind) -> Told<'a> {
    if kind.is_secret() {
        let twin = key.parent().child(&format!("{}_file", key.last()));
        let file = loaded
            .entries
            .get_key_value(&twin)
            .filter(|(_, twin)| !twin.value.is_empty());
        return match file {
            Some((twin, file)) => Told::Secret {
                set: true,
                from: Some(twin),
                origin: &file.origin,
            },
            None => Told::Secret {
                set: !entry.value.is_empty(),
                from: None,
                origin: &entry.origin,
            },
        };
    }
    if let (Kind::DatabaseUrl, Value::Text(url)) = (kind, &entry.value)
        && let (url, true) = without_password(url)
    {
        return Told::WithoutPassword(Value::Text(url));
    }
    Told::Value(entry.value.clone())
}

fn line(loaded: &Loaded, key: &Key, entry: &Entry, kind: &Kind) -> String {
    match told(loaded, key, entry, kind) {
        Told::Value(value) => format!("{key} = {value}  # {}", entry.origin),
        Told::WithoutPassword(value) => format!("# {key} = {value}  # {}", entry.origin),
        Told::Secret { set, from, origin } => {
            let word = if set { "set" } else { "not set" };
            let from = from
                .map(|from| format!("from {from}, "))
                .unwrap_or_default();
            format!("# {key} = [{word}]  # {from}{origin}")
        }
    }
}

/// What [`show`] prints, as JSON: `value` and `origin` by key; a secret has `set` instead of `value`.
pub fn show_json(loaded: &Loaded) -> serde_json::Value {
    let keys = in_order(&loaded.entries).into_iter();
    let pairs = keys.filter_map(|(key, known)| {
        let entry = loaded.entries.get(key)?;
        let shown = match told(loaded, key, entry, &known.kind) {
            Told::Value(value) | Told::WithoutPassword(value) => {
                json!({ "value": to_json(&value), "origin": entry.origin.to_string() })
            }
            Told::Secret { set, origin, .. } => {
                json!({ "set": set, "origin": origin.to_string() })
            }
        };
        Some((key.to_string(), shown))
    });
    serde_json::Value::Object(pairs.collect())
}

fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Text(text) => text.as_str().into(),
        Value::Integer(number) => (*number).into(),
        Value::Boolean(flag) => (*flag).into(),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Other(kind) => (*kind).into(),
    }
}
