//! What is wrong with a configuration, and where.

use super::key::Key;
use std::fmt;
use std::path::PathBuf;

/// Where a value comes from, in the order in which the layers win.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The embedded `default.toml`.
    Default,
    /// The configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        name: String,
    },
    /// `--set KEY=VALUE`, or a flag that stands for one.
    Flag {
        /// The key as it was given.
        key: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => out.write_str("default"),
            Self::File { path, line, column } => {
                write!(out, "{}:{line}:{column}", path.display())
            }
            Self::Environment { name } => write!(out, "environment {name}"),
            Self::Flag { key } => write!(out, "flag --set {key}"),
        }
    }
}

/// What is wrong with a value and what would be right, without saying where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Continues a sentence whose subject is the value.
    pub(super) what: String,
    /// What to do, in the imperative.
    pub(super) fix: String,
}

impl Fault {
    /// A fault from its two halves.
    pub(super) fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            fix: fix.into(),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where the value was set.
    pub origin: Origin,
    /// The key; empty if the whole file is meant.
    pub key: String,
    /// The value as TOML, unless it is or may be a secret.
    pub value: Option<String>,
    /// What is wrong with it.
    pub what: String,
    /// What to do about it.
    pub fix: String,
}

impl Problem {
    /// A problem whose value is not shown.
    pub(super) fn without_value(origin: Origin, key: &Key, fault: Fault) -> Self {
        Self {
            origin,
            key: key.to_string(),
            value: None,
            what: fault.what,
            fix: fault.fix,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(out, "{}", self.key)?;
            if let Some(value) = &self.value {
                write!(out, " = {value}")?;
            }
            write!(out, " ")?;
        }
        write!(out, "{}; {}", self.what, self.fix)
    }
}

/// Everything that is wrong, at once, in the order of the layers and lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// `Ok` when there are none.
    pub(super) fn from_list(mut problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() {
            return Ok(());
        }
        problems.sort_by(|one, other| one.origin.cmp(&other.origin));
        Err(Self(problems))
    }

    /// The problems; never empty.
    pub fn list(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.0.len() == 1 {
            "problem"
        } else {
            "problems"
        };
        write!(out, "the configuration has {} {noun}:", self.0.len())?;
        for problem in &self.0 {
            write!(out, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
