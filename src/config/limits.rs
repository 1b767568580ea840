//! `[limits]`: how often the control API may be called.

use super::reader::Reader;
use super::typed::integer;

/// How often the control API may be called, within any 60 seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests of one key that only read; 0: any number.
    pub reads_per_minute: u32,
    /// Requests of one key that may change something; 0: any number.
    pub writes_per_minute: u32,
    /// Requests of one key; 0: any number.
    pub requests_per_minute: u32,
    /// Requests from one address with keys that do not work.
    pub unauthorized_per_minute: u32,
}

impl Limits {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section(&["limits"]);
        Self {
            reads_per_minute: section.required("reads_per_minute", integer),
            writes_per_minute: section.required("writes_per_minute", integer),
            requests_per_minute: section.required("requests_per_minute", integer),
            unauthorized_per_minute: section.required("unauthorized_per_minute", integer),
        }
    }
}
