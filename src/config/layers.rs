//! Gathers the layers into one table of values, each with its origin.

use super::file;
use super::key::{ENVIRONMENT_PREFIX, Key};
use super::kind::Kind;
use super::known::{KnownKeys, Lookup};
use super::problem::{Fault, Origin, Problem};
use super::sources::{Sources, is_exempt};
use super::value::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The organization that always exists.
pub const DEFAULT_ORGANIZATION: &str = "default";

/// Keys of `[stripe]` that another organization never takes from there, besides the secrets and
/// their files: they say whose account it is.
const NOT_INHERITED: [&str; 2] = ["account", "connected"];

/// A value and where it was set.
#[derive(Clone)]
pub(super) struct Entry {
    /// The value.
    pub(super) value: Value,
    /// Where it was set.
    pub(super) origin: Origin,
    /// Whether an organization has it from `[stripe]`, where its problems are reported already.
    pub(super) inherited: bool,
}

/// All layers laid over one another.
pub(super) struct Layers {
    known: &'static KnownKeys,
    /// The value of each key that is set or has a default.
    pub(super) entries: BTreeMap<Key, Entry>,
    /// Tables whose names the user chose: schedules, organizations, issuers, roles, factors and kinds.
    pub(super) named: BTreeSet<Key>,
    /// What was wrong so far.
    pub(super) problems: Vec<Problem>,
    /// The file that was read.
    pub(super) file: Option<PathBuf>,
}

impl Layers {
    /// Reads every layer and fills in the defaults.
    pub(super) fn gather(sources: &Sources) -> Self {
        let mut layers = Self {
            known: KnownKeys::embedded(),
            entries: BTreeMap::new(),
            named: BTreeSet::new(),
            problems: Vec::new(),
            file: None,
        };
        file::read(sources, &mut layers);
        layers.read_environment(&sources.environment);
        layers.read_flags(&sources.flags);
        layers.fill_in_defaults();
        layers
    }

    /// Sets a key that is known, whatever an earlier layer said.
    pub(super) fn set(&mut self, key: Key, value: Value, origin: Origin) {
        self.note_named(&key, &origin);
        if key.parent() == Key::new(["organizations", DEFAULT_ORGANIZATION, "stripe"]) {
            let fix = format!("write it as {}", Key::new(["stripe", key.last()]));
            let fault = Fault::new("belongs to the organization that uses [stripe]", fix);
            self.problems
                .push(Problem::without_value(origin, &key, fault));
            return;
        }
        self.entries.insert(
            key,
            Entry {
                value,
                origin,
                inherited: false,
            },
        );
    }

    /// What a key is.
    pub(super) fn lookup(&self, key: &Key) -> Lookup {
        self.known.lookup(key)
    }

    /// Remembers the table that a key belongs to, where the user chose its name, and checks that once.
    pub(super) fn note_named(&mut self, key: &Key, origin: &Origin) {
        let (table, name) = match key.segments() {
            [outer, table, name, ..] if outer == "engagement" => (table, name),
            [table, name, ..] => (table, name),
            _ => return,
        };
        let fault = match table.as_str() {
            "schedules" => schedule_name_fault(name),
            "organizations" => name_fault(name, "an organization id"),
            "jwt" => name_fault(name, "a name of an issuer"),
            "roles" => name_fault(name, "a name of a role"),
            "factors" => name_fault(name, "a name of a factor"),
            "kinds" => name_fault(name, "a name of a kind"),
            _ => return,
        };
        let to_name = key.segments().iter().take_while(|segment| *segment != name);
        let named = Key::new(to_name.chain([name]));
        if self.named.insert(named.clone())
            && let Some(fault) = fault
        {
            self.problems
                .push(Problem::without_value(origin.clone(), &named, fault));
        }
    }

    /// Refuses a key that is not known, and names the one that was probably meant.
    pub(super) fn refuse(&mut self, key: &Key, origin: Origin, is_table: bool) {
        let nearest = self.known.nearest(key, is_table);
        let what = if is_table {
            "is not a known table"
        } else {
            "is not a known key"
        };
        let fix = match (nearest, &origin) {
            (Some(near), Origin::Environment { .. }) => {
                format!("did you mean {}?", near.environment_name())
            }
            (Some(near), _) => format!("did you mean {near}?"),
            (None, _) => "remove it; `memberd config reference` lists the keys".to_owned(),
        };
        self.problems
            .push(Problem::without_value(origin, key, Fault::new(what, fix)));
    }

    /// Sorted by name, so that the messages do not depend on the order of the environment.
    fn read_environment(&mut self, variables: &[(String, String)]) {
        let mut variables: Vec<&(String, String)> = variables
            .iter()
            .filter(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX) && !is_exempt(name))
            .collect();
        variables.sort();
        for (name, raw) in variables {
            if let Some(key) = Key::from_environment(name) {
                self.set_from_text(key, raw, Origin::Environment { name: name.clone() });
            }
        }
    }

    fn read_flags(&mut self, flags: &[(String, String)]) {
        for (name, raw) in flags {
            let origin = Origin::Flag { key: name.clone() };
            if let Some(key) = Key::parse(name) {
                self.set_from_text(key, raw, origin);
            } else {
                let fault = Fault::new("is not a key", "write a dotted key such as server.listen");
                let key = Key::new([name]);
                self.problems
                    .push(Problem::without_value(origin, &key, fault));
            }
        }
    }

    fn set_from_text(&mut self, key: Key, raw: &str, origin: Origin) {
        match self.lookup(&key) {
            Lookup::Key(known) => {
                let value = value_of_text(raw, &known.kind);
                self.set(key, value, origin);
            }
            Lookup::Table => {
                let fault = Fault::new("is a table, not a value", "set one of its keys");
                self.problems
                    .push(Problem::without_value(origin, &key, fault));
            }
            Lookup::Unknown => self.refuse(&key, origin, false),
        }
    }

    fn fill_in_defaults(&mut self) {
        self.named
            .insert(Key::new(["organizations", DEFAULT_ORGANIZATION]));
        let known = self.known;
        for key in known.keys.iter().filter(|key| !key.key.is_template()) {
            self.entries
                .entry(key.key.clone())
                .or_insert_with(|| Entry {
                    value: key.default.clone(),
                    origin: Origin::Default,
                    inherited: false,
                });
        }
        for name in self.named.clone() {
            self.fill_in_named(&name);
        }
    }

    fn fill_in_named(&mut self, name: &Key) {
        let is_default = name.last() == DEFAULT_ORGANIZATION;
        for known in &self.known.keys {
            let key = known.key.filled_from(name);
            let belongs = known.key.is_template() && key.segments().starts_with(name.segments());
            if !belongs || known.optional || (known.repeated && is_default) {
                continue;
            }
            let top = Key::new(["stripe", known.key.last()]);
            let inherited = known.repeated && !is_owned(known.key.last(), &known.kind);
            let entry = match self.entries.get(&top).filter(|_| inherited) {
                Some(top) => Entry {
                    inherited: true,
                    ..top.clone()
                },
                None => Entry {
                    value: known.default.clone(),
                    origin: Origin::Default,
                    inherited: false,
                },
            };
            self.entries.entry(key).or_insert(entry);
        }
    }
}

/// Whether a key of `[stripe]` belongs to one organization alone. Every file in it holds a secret.
fn is_owned(name: &str, kind: &Kind) -> bool {
    kind.is_secret() || *kind == Kind::File || NOT_INHERITED.contains(&name)
}

/// Reads the text of a variable or flag: TOML if it is TOML of the right kind, otherwise as it is,
/// so that neither addresses nor keys need quotes. Lists may be written `a,b`.
fn value_of_text(raw: &str, kind: &Kind) -> Value {
    let toml = raw
        .trim()
        .parse::<toml_edit::Value>()
        .ok()
        .map(|value| Value::from(&value));
    match (kind, toml) {
        (Kind::List(_), Some(list @ Value::List(_))) => list,
        (Kind::List(_), Some(Value::Text(text))) => list_of_text(&text),
        (Kind::List(_), _) => list_of_text(raw),
        (_, Some(text @ Value::Text(_))) => text,
        (Kind::Integer(_) | Kind::Boolean, Some(value)) => value,
        (Kind::Size(_), Some(number @ Value::Integer(_))) => number,
        _ => Value::Text(raw.to_owned()),
    }
}

fn list_of_text(text: &str) -> Value {
    let items = text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty());
    Value::List(items.map(|item| Value::Text(item.to_owned())).collect())
}

/// Names of schedules are `family.verb_object`, as the code declares them.
fn schedule_name_fault(name: &str) -> Option<Fault> {
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter == '_')
    };
    let good = name
        .split_once('.')
        .is_some_and(|(family, verb)| is_word(family) && is_word(verb));
    (!good).then(|| {
        Fault::new(
            "is not the name of a schedule",
            "write it in quotes as in [schedules.\"sync.reconcile\"]",
        )
    })
}

/// Ids stand in URLs, so only letters that need no escaping.
fn name_fault(id: &str, what: &str) -> Option<Fault> {
    let allowed = |letter: char| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_' || letter == '-'
    };
    let good = (1..=NAME_LENGTH_MAX).contains(&id.len()) && id.chars().all(allowed);
    (!good).then(|| {
        Fault::new(
            format!("is not {what}"),
            format!("use 1 to {NAME_LENGTH_MAX} of a-z, 0-9, _ and -"),
        )
    })
}

/// Longest name of an organization, an issuer, a role, a factor or a kind, in letters.
const NAME_LENGTH_MAX: usize = 40;
