//! The log of API requests.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use crate::clock::rfc3339;

/// How many requests are remembered one by one.
pub(crate) const CAPACITY: usize = 10_000;

/// One request and how it was answered.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Virtual second.
    pub(crate) at: i64,
    /// `GET`, `POST`, `DELETE`.
    pub(crate) method: String,
    /// As it came, without the query.
    pub(crate) path: String,
    /// The path with `{id}`.
    pub(crate) template: &'static str,
    /// HTTP status; 0 when a fault swallowed the request.
    pub(crate) status: u16,
    /// The client's key.
    pub(crate) idempotency_key: Option<String>,
    /// `req_…`
    pub(crate) request_id: String,
    /// Whether a first answer was repeated.
    pub(crate) replayed: bool,
}

impl Entry {
    fn json(&self) -> Value {
        json!({
            "at": rfc3339(self.at), "method": self.method, "path": self.path,
            "template": self.template, "status": self.status,
            "idempotency_key": self.idempotency_key, "request_id": self.request_id,
            "replayed": self.replayed,
        })
    }
}

/// The last requests and the counts of all.
#[derive(Debug, Default)]
pub(crate) struct Log {
    last: VecDeque<Entry>,
    by_route: BTreeMap<String, u64>,
    by_status: BTreeMap<u16, u64>,
    total: u64,
}

impl Log {
    /// Adds a request.
    pub(crate) fn push(&mut self, entry: Entry) {
        self.total += 1;
        *self
            .by_route
            .entry(format!("{} {}", entry.method, entry.template))
            .or_default() += 1;
        *self.by_status.entry(entry.status).or_default() += 1;
        if self.last.len() == CAPACITY {
            self.last.pop_front();
        }
        self.last.push_back(entry);
    }

    /// How many requests came.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The counts and the last `limit` requests, newest first.
    pub(crate) fn json(&self, limit: usize) -> Value {
        let last: Vec<Value> = self
            .last
            .iter()
            .rev()
            .take(limit)
            .map(Entry::json)
            .collect();
        json!({
            "total": self.total, "by_route": self.by_route, "by_status": self.by_status,
            "requests": last,
        })
    }
}
