//! Forgets the bodies of old events.

use serde::{Deserialize, Serialize};

use super::store::events;
use crate::kernel::{Context, Job, JobResult, Report, Unique};

/// Deletes the bodies of Stripe events older than `retention.stripe_event_bodies`; their ids stay.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PruneEventBodies {}

impl Job for PruneEventBodies {
    const KIND: &'static str = "sync.prune_event_bodies";
    const ABOUT: &'static str = "Deletes the bodies of old Stripe events; their ids stay.";
    const UNIQUE: Unique = Unique::Live;
    const INSTALLATION: bool = true;

    fn unique_key(&self) -> Option<String> {
        Some(String::new())
    }

    async fn run(&self, cx: &Context) -> JobResult {
        let before = cx.env.now().minus(cx.env.settings.keep_stripe_event_bodies);
        let pruned = events::prune_bodies(&cx.env.db, before).await?;
        Ok(Report::none().with("pruned", pruned))
    }
}
