//! `[entitlements]`: what a member may use.

use super::reader::Reader;
use super::typed::duration;
use std::time::Duration;

/// What a member may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entitlements {
    /// How long a member keeps access after a payment of a subscription failed.
    pub past_due_grace: Duration,
}

impl Entitlements {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section(&["entitlements"]);
        Self {
            past_due_grace: section.required("past_due_grace", duration),
        }
    }
}
