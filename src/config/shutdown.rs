//! `[shutdown]`: the end of the process.

use super::reader::Reader;
use super::typed::duration;
use std::time::Duration;

/// The end of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shutdown {
    /// How long running requests and jobs may take to finish after a signal.
    pub timeout: Duration,
}

impl Shutdown {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section(&["shutdown"]);
        Self {
            timeout: section.required("timeout", duration),
        }
    }
}
