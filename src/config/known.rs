//! The list of known keys, read from the embedded `default.toml`.

use super::key::Key;
use super::kind::Kind;
use super::value::Value;
use std::sync::LazyLock;
use toml_edit::{DocumentMut, Item, Table};

/// The defaults, their comments and kinds: the only list of the keys that exist.
pub(super) const DEFAULT_TOML: &str = include_str!("../../config/default.toml");

/// Marks lines of `default.toml` that describe tables with names of the user's choice. TOML reads
/// them as comments, so a copy of the file is a valid configuration.
const TEMPLATE_MARK: &str = "#: ";

/// Begins the comment line that gives a key's kind.
const TYPE_MARK: &str = "type: ";

/// How far, in letters, a known key may be from an unknown one to be suggested.
const SUGGESTION_DISTANCE_MAX: usize = 4;

/// One known key.
pub(super) struct Known {
    /// Its path, perhaps with wildcards.
    pub(super) key: Key,
    /// What it takes.
    pub(super) kind: Kind,
    /// The kind in words, as `default.toml` has it.
    pub(super) kind_text: String,
    /// Its default, or an example if it is optional.
    pub(super) default: Value,
    /// Whether it has no default.
    pub(super) optional: bool,
    /// Whether it repeats a key of `[stripe]` for an organization.
    pub(super) repeated: bool,
    /// The comment.
    pub(super) meaning: String,
}

/// A table of known keys.
pub(super) struct Section {
    /// Its path, perhaps with wildcards.
    pub(super) key: Key,
    /// The comment.
    pub(super) meaning: String,
}

/// What a key of a layer is.
pub(super) enum Lookup {
    /// A key that takes a value.
    Key(&'static Known),
    /// A table that holds keys.
    Table,
    /// Nothing known.
    Unknown,
}

/// All known keys, in the order of `default.toml`.
pub(super) struct KnownKeys {
    /// The keys.
    pub(super) keys: Vec<Known>,
    /// The tables.
    pub(super) sections: Vec<Section>,
}

static KNOWN: LazyLock<KnownKeys> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "the text is embedded; the tests of this file read it"
    )]
    KnownKeys::read(DEFAULT_TOML).expect("default.toml is well formed")
});

impl KnownKeys {
    /// The keys of the embedded `default.toml`.
    pub(super) fn embedded() -> &'static Self {
        &KNOWN
    }

    fn read(text: &str) -> Result<Self, String> {
        let lines: Vec<&str> = text
            .lines()
            .map(|line| line.strip_prefix(TEMPLATE_MARK).unwrap_or(line))
            .collect();
        let document: DocumentMut = lines
            .join("\n")
            .parse()
            .map_err(|error| format!("default.toml: {error}"))?;
        let mut known = Self {
            keys: Vec::new(),
            sections: Vec::new(),
        };
        known.read_table(&Key::root(), document.as_table())?;
        known.repeat_stripe();
        Ok(known)
    }

    fn read_table(&mut self, at: &Key, table: &Table) -> Result<(), String> {
        if !table.is_implicit() && !at.segments().is_empty() {
            let comment = comment_of(table.decor().prefix());
            self.sections.push(Section {
                key: at.clone(),
                meaning: comment.join(" "),
            });
        }
        for (name, item) in table {
            let key = at.child(name);
            if let Item::Table(inner) = item {
                self.read_table(&key, inner)?;
            } else {
                let decor = table.key(name).map(toml_edit::Key::leaf_decor);
                let comment = comment_of(decor.and_then(toml_edit::Decor::prefix));
                self.keys.push(Known::read(key, item, comment)?);
            }
        }
        Ok(())
    }

    /// An organization's table `stripe` has the keys of the top-level one.
    fn repeat_stripe(&mut self) {
        let table = Key::new(["organizations", "<id>", "stripe"]);
        let stripe = Key::new(["stripe"]);
        let repeated: Vec<Known> = self
            .keys
            .iter()
            .filter(|known| known.key.parent() == stripe)
            .map(|known| Known {
                key: table.child(known.key.last()),
                kind: known.kind.clone(),
                kind_text: known.kind_text.clone(),
                default: known.default.clone(),
                optional: known.optional,
                repeated: true,
                meaning: known.meaning.clone(),
            })
            .collect();
        self.keys.extend(repeated);
    }

    /// What `key` is.
    pub(super) fn lookup(&'static self, key: &Key) -> Lookup {
        if let Some(known) = self.keys.iter().find(|known| key.matches(&known.key)) {
            return Lookup::Key(known);
        }
        if self.keys.iter().any(|known| key.leads_to(&known.key)) {
            return Lookup::Table;
        }
        Lookup::Unknown
    }

    /// The known key or table that `key` was probably meant to be.
    pub(super) fn nearest(&self, key: &Key, is_table: bool) -> Option<Key> {
        let mut best: Option<((usize, usize), Key)> = None;
        let tables = self
            .keys
            .iter()
            .map(|known| known.key.parent())
            .filter(|_| is_table);
        let keys = self
            .keys
            .iter()
            .map(|known| known.key.clone())
            .filter(|_| !is_table);
        for template in tables.chain(keys) {
            let candidate = template.filled_from(key);
            let distance = distance(key, &candidate);
            if distance.0 <= SUGGESTION_DISTANCE_MAX
                && best.as_ref().is_none_or(|(least, _)| distance < *least)
            {
                best = Some((distance, candidate));
            }
        }
        best.map(|(_, key)| key)
    }
}

/// Letters to change to make one key the other; a right key in the wrong table is near, too. The
/// second number decides between equals: letters to change in the whole path.
fn distance(key: &Key, candidate: &Key) -> (usize, usize) {
    let whole = strsim::damerau_levenshtein(&key.to_string(), &candidate.to_string());
    let last = strsim::damerau_levenshtein(key.last(), candidate.last());
    (whole.min(last.saturating_mul(2).saturating_add(1)), whole)
}

impl Known {
    fn read(key: Key, item: &Item, mut comment: Vec<String>) -> Result<Self, String> {
        let line = comment
            .pop()
            .ok_or_else(|| format!("{key} has no comment"))?;
        let kind_text = line
            .strip_prefix(TYPE_MARK)
            .ok_or_else(|| format!("{key} has no type line"))?;
        let without_optional = kind_text.strip_prefix("optional ");
        let kind = Kind::parse(without_optional.unwrap_or(kind_text))
            .ok_or_else(|| format!("{key} has the unknown type {kind_text}"))?;
        Ok(Self {
            optional: without_optional.is_some(),
            kind,
            kind_text: without_optional.unwrap_or(kind_text).to_owned(),
            default: Value::from(item),
            repeated: false,
            meaning: comment.join(" "),
            key,
        })
    }
}

/// The lines of the comment directly above, without the paragraphs further up.
fn comment_of(prefix: Option<&toml_edit::RawString>) -> Vec<String> {
    let text = prefix
        .and_then(toml_edit::RawString::as_str)
        .unwrap_or_default();
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        match line.trim().strip_prefix('#') {
            Some("") | None => lines.clear(),
            Some(rest) => lines.push(rest.trim().to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_text_is_well_formed() {
        let known = KnownKeys::read(DEFAULT_TOML).unwrap();
        assert!(known.keys.len() > 30, "{} keys", known.keys.len());
        for key in &known.keys {
            assert!(!key.meaning.is_empty(), "{} has no meaning", key.key);
        }
        for section in &known.sections {
            assert!(
                !section.meaning.is_empty(),
                "[{}] has no meaning",
                section.key
            );
        }
    }

    #[test]
    fn every_secret_has_a_file_twin() {
        let known = KnownKeys::embedded();
        for secret in known.keys.iter().filter(|key| key.kind.is_secret()) {
            let twin = secret
                .key
                .parent()
                .child(&format!("{}_file", secret.key.last()));
            let found = known.keys.iter().find(|key| key.key == twin);
            assert!(found.is_some_and(|key| key.kind == Kind::File), "{twin}");
        }
    }

    #[test]
    fn an_ill_formed_text_is_refused_with_the_key() {
        for (text, want) in [
            ("[a]\nb = 1", "a.b has no comment"),
            ("[a]\n# One.\nb = 1", "a.b has no type line"),
            (
                "[a]\n# One.\n# type: number\nb = 1",
                "a.b has the unknown type number",
            ),
        ] {
            assert_eq!(KnownKeys::read(text).err().as_deref(), Some(want));
        }
    }

    #[test]
    fn the_nearest_key() {
        let near = |text: &str| {
            let nearest = KnownKeys::embedded().nearest(&Key::parse(text).unwrap(), false);
            nearest.map(|key| key.to_string())
        };
        assert_eq!(near("server.listne").as_deref(), Some("server.listen"));
        assert_eq!(near("serve.listen").as_deref(), Some("server.listen"));
        assert_eq!(near("listen").as_deref(), Some("server.listen"));
        let organization = near("organizations.acme.timezone");
        assert_eq!(
            organization.as_deref(),
            Some("organizations.acme.time_zone")
        );
        assert_eq!(near("entirely.different"), None);
    }
}
