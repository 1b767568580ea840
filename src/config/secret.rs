//! Secrets: each is given by its key or by the file that its twin `…_file` names.

use super::file::read_text;
use super::problem::Fault;
use super::reader::Section;
use super::typed;
use secrecy::SecretString;
use std::path::Path;

/// Largest file that holds a secret, in bytes.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// Which of the twins gave a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Twin<'n> {
    /// The key itself, by this name.
    Inline(&'n str),
    /// The key of this name with `_file` behind it.
    File(&'n str),
}

impl Twin<'_> {
    /// The name of the key.
    pub(super) fn name(self) -> String {
        match self {
            Self::Inline(name) => name.to_owned(),
            Self::File(name) => format!("{name}_file"),
        }
    }
}

/// A secret that has still to be checked.
pub(super) struct Secret<'n> {
    /// Its text. Short-lived, so it is not wrapped.
    pub(super) text: String,
    /// The key to name if it is wrong.
    pub(super) twin: Twin<'n>,
}

impl From<Secret<'_>> for SecretString {
    fn from(secret: Secret<'_>) -> Self {
        secret.text.into()
    }
}

impl Section<'_, '_> {
    /// A secret; `None` if it is not set or cannot be read.
    pub(super) fn secret<'n>(&mut self, name: &'n str) -> Option<Secret<'n>> {
        let twin = self.twin(name);
        let text = match twin {
            Twin::Inline(name) => self.optional(name, typed::text)?,
            Twin::File(_) => self.secret_file(twin)?,
        };
        Some(Secret { text, twin })
    }

    /// Several secrets: a list, or the lines of a file. Empty lines do not count.
    pub(super) fn secrets<'n>(&mut self, name: &'n str) -> (Vec<String>, Twin<'n>) {
        let twin = self.twin(name);
        let secrets = match twin {
            Twin::Inline(name) => {
                self.optional(name, |value, kind| typed::list(value, kind, typed::text))
            }
            Twin::File(_) => self.secret_file(twin).map(|text| {
                let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
                lines.map(str::to_owned).collect()
            }),
        };
        (secrets.unwrap_or_default(), twin)
    }

    /// The twin that is set; both is a problem, because one of them would be ignored.
    fn twin<'n>(&mut self, name: &'n str) -> Twin<'n> {
        let file = Twin::File(name);
        if !self.is_given(&file.name()) {
            return Twin::Inline(name);
        }
        if self.is_given(name) {
            let what = format!("is set, and so is {}", self.key(name));
            self.problem(&file.name(), Fault::new(what, "set one of the two"));
        }
        file
    }

    /// What the file of a secret holds, without the line break at its end.
    fn secret_file(&mut self, twin: Twin<'_>) -> Option<String> {
        let path = self.optional(&twin.name(), typed::text)?;
        let fault = match read_text(Path::new(&path), SECRET_BYTES_MAX) {
            Ok(text) => {
                let text = text.trim_end_matches(['\r', '\n']);
                if !text.is_empty() {
                    return Some(text.to_owned());
                }
                Fault::new("names an empty file", "write the secret into it")
            }
            Err(error) => Fault::new(
                format!("names a file that cannot be read: {error}"),
                "make the file readable for the user that runs memberd",
            ),
        };
        self.problem(&twin.name(), fault);
        None
    }
}
