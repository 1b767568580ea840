//! `[queues.<name>]`: how much of each kind of work one process does at once.

use super::reader::Reader;
use super::typed::integer;
use std::collections::BTreeMap;

/// One queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Jobs of this queue that one process runs at once.
    pub concurrency: usize,
}

impl Queue {
    /// Every queue of `default.toml` by name.
    pub(super) fn read_all(reader: &mut Reader<'_>) -> BTreeMap<String, Self> {
        let mut queues = BTreeMap::new();
        for name in reader.names("queues") {
            let mut section = reader.section(&["queues", &name]);
            let concurrency = section.required("concurrency", integer);
            queues.insert(name, Self { concurrency });
        }
        queues
    }
}
