//! The layer of the configuration file.

use super::key::Key;
use super::known::Lookup;
use super::layers::Layers;
use super::problem::{Fault, Origin, Problem};
use super::sources::Sources;
use super::value::Value;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use toml_edit::{Document, Item, TableLike};

/// Largest configuration file, in bytes.
const CONFIGURATION_BYTES_MAX: u64 = 1 << 20;

/// Reads the named file, or the first that exists of those to search, into `layers`.
pub(super) fn read(sources: &Sources, layers: &mut Layers) {
    // A file that may not be looked at is taken, so that the refusal is seen.
    let found = sources
        .search
        .iter()
        .find(|path| path.try_exists().unwrap_or(true));
    let Some(path) = sources.file.as_ref().or(found) else {
        return;
    };
    layers.file = Some(path.clone());
    let fault = match read_text(path, CONFIGURATION_BYTES_MAX) {
        Ok(text) => {
            return FileLayer {
                path,
                text: &text,
                layers,
            }
            .read();
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Fault::new("the file does not exist", "create it with `memberd init`")
        }
        Err(error) => Fault::new(
            format!("the file cannot be read: {error}"),
            "make it readable for the user that runs memberd",
        ),
    };
    let origin = Origin::File {
        path: path.clone(),
        line: 1,
        column: 1,
    };
    layers
        .problems
        .push(Problem::without_value(origin, &Key::root(), fault));
}

/// A file as text, up to a number of bytes.
pub(super) fn read_text(path: &Path, bytes_max: u64) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(bytes_max.saturating_add(1))
        .read_to_string(&mut text)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > bytes_max {
        return Err(io::Error::other(format!(
            "it is longer than {bytes_max} bytes"
        )));
    }
    Ok(text)
}

struct FileLayer<'a> {
    path: &'a PathBuf,
    text: &'a str,
    layers: &'a mut Layers,
}

impl FileLayer<'_> {
    fn read(mut self) {
        match Document::parse(self.text) {
            Ok(document) => self.read_table(&Key::root(), document.as_table()),
            Err(error) => {
                // Never the error's `Display`: it quotes the line, which may hold a secret.
                let fault = Fault::new(
                    format!("is not TOML: {}", error.message().replace('\n', ", ")),
                    "correct the line",
                );
                let origin = self.origin(error.span());
                self.layers
                    .problems
                    .push(Problem::without_value(origin, &Key::root(), fault));
            }
        }
    }

    /// Recursion is bounded by the depth of the known keys.
    fn read_table(&mut self, at: &Key, table: &dyn TableLike) {
        for (name, item) in table.iter() {
            let key = at.child(name);
            let place = table.key(name).and_then(toml_edit::Key::span);
            let origin = self.origin(place.or_else(|| item.span()));
            match (self.layers.lookup(&key), item.as_table_like()) {
                (Lookup::Table, Some(inner)) => {
                    self.layers.note_named(&key, &origin);
                    self.read_table(&key, inner);
                }
                (Lookup::Table, None) => {
                    let fault = Fault::new(
                        "is a table, not a value",
                        format!("write its keys below a line [{key}]"),
                    );
                    self.layers
                        .problems
                        .push(Problem::without_value(origin, &key, fault));
                }
                (Lookup::Key(_), _) => {
                    let origin = self.origin(item.span().or_else(|| item_place(item)));
                    self.layers.set(key, Value::from(item), origin);
                }
                (Lookup::Unknown, inner) => self.layers.refuse(&key, origin, inner.is_some()),
            }
        }
    }

    /// Line and column of a range of bytes, from 1.
    fn origin(&self, span: Option<std::ops::Range<usize>>) -> Origin {
        let start = span.map_or(0, |span| span.start);
        let before = self.text.get(..start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Origin::File {
            path: self.path.clone(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// Where the first value inside a table stands, which has no place of its own if it is dotted.
fn item_place(item: &Item) -> Option<std::ops::Range<usize>> {
    item.as_table_like()?
        .iter()
        .find_map(|(_, inner)| inner.span())
}
