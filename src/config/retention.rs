//! `[retention]`: how long what is no longer needed is kept.

use super::reader::Reader;
use super::typed::{duration, integer};
use std::time::Duration;

/// How long what is no longer needed is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Age at which finished jobs are removed.
    pub jobs: Duration,
    /// How many of the youngest jobs are kept; cancelled and discarded ones are counted by themselves.
    pub jobs_max: u64,
    /// Age at which the bodies of received Stripe events are removed.
    pub stripe_event_bodies: Duration,
    /// Age at which events are removed.
    pub events: Duration,
    /// Age at which deliveries of webhooks are removed.
    pub webhook_deliveries: Duration,
    /// Age at which calls are removed from the activity log.
    pub activity: Duration,
    /// How many of an organization's youngest calls are kept.
    pub activity_max: u64,
}

impl Retention {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section(&["retention"]);
        Self {
            jobs: section.required("jobs", duration),
            jobs_max: section.required("jobs_max", integer),
            stripe_event_bodies: section.required("stripe_event_bodies", duration),
            events: section.required("events", duration),
            webhook_deliveries: section.required("webhook_deliveries", duration),
            activity: section.required("activity", duration),
            activity_max: section.required("activity_max", integer),
        }
    }
}
