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

fn line(loaded: &Loaded, key: &Key, entry: &Entry, kind: &Kind) -> String {
    let origin = &entry.origin;
    if kind.is_secret() {
        let twin = key.parent().child(&format!("{}_file", key.last()));
        let file = loaded
            .entries
            .get(&twin)
            .filter(|twin| !twin.value.is_empty());
        return match file {
            Some(file) => format!("# {key} = [set]  # from {twin}, {}", file.origin),
            None if entry.value.is_empty() => format!("# {key} = [not set]  # {origin}"),
            None => format!("# {key} = [set]  # {origin}"),
        };
    }
    if let (Kind::DatabaseUrl, Value::Text(url)) = (kind, &entry.value)
        && let (url, true) = without_password(url)
    {
        return format!("# {key} = {}  # {origin}", Value::Text(url));
    }
    format!("{key} = {}  # {origin}", entry.value)
}
