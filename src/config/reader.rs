//! Reads keys section by section and collects every problem on the way.

use super::key::Key;
use super::kind::Kind;
use super::known::{KnownKeys, Lookup};
use super::layers::{Entry, Layers};
use super::problem::{Fault, Origin, Problem};
use super::show::shown;
use super::value::Value;

/// Collects problems and warnings while the sections are read.
pub(super) struct Reader<'a> {
    layers: &'a Layers,
    /// What was wrong.
    pub(super) problems: Vec<Problem>,
    /// What is allowed but deserves a look.
    pub(super) warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    /// A reader of all layers.
    pub(super) fn new(layers: &'a Layers) -> Self {
        Self {
            layers,
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The table `at`, whose keys are read next.
    pub(super) fn section<'r>(&'r mut self, at: &[&str]) -> Section<'r, 'a> {
        Section {
            at: Key::new(at.iter().copied()),
            reader: self,
        }
    }

    /// The names of the tables below `table` that the user chose, or that are known by name.
    pub(super) fn names(&self, table: &str) -> Vec<String> {
        self.names_in(&Key::new([table]))
    }

    /// The same for a table that is not at the top.
    pub(super) fn names_in(&self, table: &Key) -> Vec<String> {
        let known = self.layers.entries.keys().chain(&self.layers.named);
        let mut names: Vec<String> = known
            .filter_map(|key| {
                let below = key.segments().strip_prefix(table.segments())?;
                below.first().cloned()
            })
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

/// A table of the configuration.
pub(super) struct Section<'r, 'a> {
    reader: &'r mut Reader<'a>,
    at: Key,
}

impl Section<'_, '_> {
    /// The value of a key that has a default. A wrong value is reported, and the default read in
    /// its place so that the rest can be read.
    pub(super) fn required<T>(
        &mut self,
        name: &str,
        read: impl Fn(&Value, &Kind) -> Result<T, Fault>,
    ) -> T {
        if let Some(value) = self.optional(name, &read) {
            return value;
        }
        self.refuse_empty(name);
        #[expect(
            clippy::expect_used,
            reason = "a test reads every key with its default"
        )]
        self.read_default(name, read)
            .expect("default.toml has a good value for this key")
    }

    /// Refuses an empty value of a key that has a default.
    pub(super) fn refuse_empty(&mut self, name: &str) {
        let entry = self.entry(name);
        if entry.is_some_and(|entry| entry.value.is_empty() && entry.origin != Origin::Default) {
            self.problem(
                name,
                Fault::new("is empty", "set it, or remove it for its default"),
            );
        }
    }

    /// The value of a key that need not be set.
    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        read: impl Fn(&Value, &Kind) -> Result<T, Fault>,
    ) -> Option<T> {
        let entry = self.entry(name).filter(|entry| !entry.value.is_empty())?;
        match read(&entry.value, kind_of(&self.at.child(name))?) {
            Ok(value) => Some(value),
            // What an organization has from `[stripe]` is reported there.
            Err(_) if entry.inherited => None,
            Err(fault) => {
                self.problem(name, fault);
                None
            }
        }
    }

    /// Reports what is wrong with a value.
    pub(super) fn problem(&mut self, name: &str, fault: Fault) {
        let key = self.at.child(name);
        let Some(entry) = self.entry(name) else {
            return;
        };
        let value = kind_of(&key).and_then(|kind| shown(&entry.value, kind));
        let origin = entry.origin.clone();
        let Fault { what, fix } = fault;
        let problem = Problem {
            origin,
            key: key.to_string(),
            value,
            what,
            fix,
        };
        self.reader.problems.push(problem);
    }

    /// Notes something that is allowed but deserves a look.
    pub(super) fn warn(&mut self, name: &str, what: &str) {
        let key = self.at.child(name);
        self.reader.warnings.push(format!("{key} {what}"));
    }

    /// Whether a key is set to something by a layer above the default.
    pub(super) fn is_given(&self, name: &str) -> bool {
        self.entry(name)
            .is_some_and(|entry| !entry.value.is_empty() && entry.origin != Origin::Default)
    }

    /// The whole path of a key of this table.
    pub(super) fn key(&self, name: &str) -> Key {
        self.at.child(name)
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        self.reader.layers.entries.get(&self.at.child(name))
    }

    fn read_default<T>(
        &self,
        name: &str,
        read: impl Fn(&Value, &Kind) -> Result<T, Fault>,
    ) -> Option<T> {
        match KnownKeys::embedded().lookup(&self.at.child(name)) {
            Lookup::Key(known) => read(&known.default, &known.kind).ok(),
            Lookup::Table | Lookup::Unknown => None,
        }
    }
}

fn kind_of(key: &Key) -> Option<&'static Kind> {
    match KnownKeys::embedded().lookup(key) {
        Lookup::Key(known) => Some(&known.kind),
        Lookup::Table | Lookup::Unknown => None,
    }
}
