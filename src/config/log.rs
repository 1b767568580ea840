//! `[log]`: what the daemon writes about itself.

use super::problem::Fault;
use super::reader::Reader;
use super::typed::{one_of, text};
use std::str::FromStr;
use tracing_subscriber::EnvFilter;

/// The log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Form of the lines.
    pub format: LogFormat,
    /// Which lines are written, in the language of `tracing_subscriber::EnvFilter`; checked.
    pub filter: String,
}

/// Form of the lines of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// `Human` on a terminal, otherwise `Json`.
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "auto" => Ok(Self::Auto),
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            _ => Err(()),
        }
    }
}

impl Log {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section(&["log"]);
        let filter = section.required("filter", text);
        if EnvFilter::try_new(&filter).is_err() {
            let fix = "write a level or a list such as info,memberd=debug";
            section.problem("filter", Fault::new("is not a filter", fix));
        }
        Self {
            format: section.required("format", one_of),
            filter,
        }
    }
}
