//! Tests of the whole: layers in, configuration or problems out.

mod engagement;
mod generated;
mod jwt;
mod layers;
mod problems;
mod secrets;
mod shown;

use super::{Loaded, Problems, Sources, load};
use std::path::PathBuf;
use tempfile::TempDir;

/// A configuration file and the layers above it.
struct Given {
    folder: TempDir,
    sources: Sources,
}

impl Given {
    fn file(text: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("memberd.toml");
        std::fs::write(&path, text).unwrap();
        Self {
            folder,
            sources: Sources {
                file: Some(path),
                ..Sources::default()
            },
        }
    }

    fn nothing() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            sources: Sources::default(),
        }
    }

    fn environment(mut self, name: &str, value: &str) -> Self {
        self.sources
            .environment
            .push((name.to_owned(), value.to_owned()));
        self
    }

    fn flag(mut self, key: &str, value: &str) -> Self {
        self.sources.flags.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Another file beside the configuration.
    fn beside(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn load(&self) -> Loaded {
        load(&self.sources).unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn refused(&self) -> Problems {
        load(&self.sources).expect_err("a problem")
    }

    /// The problems as text, with the folder's name left out.
    fn lines(&self) -> Vec<String> {
        let folder = format!("{}/", self.folder.path().display());
        self.refused()
            .list()
            .iter()
            .map(|one| one.to_string().replace(&folder, ""))
            .collect()
    }
}
