//! Forgets what happened long ago.

use serde::{Deserialize, Serialize};

use super::store::{deliveries, events};
use crate::kernel::{Context, Job, JobResult, Report, Unique};

/// Deletes deliveries older than `retention.webhook_deliveries`, and events older than `retention.events`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PruneHistory {}

impl Job for PruneHistory {
    const KIND: &'static str = "webhooks_out.prune_history";
    const ABOUT: &'static str = "Deletes deliveries of webhooks and events beyond the retention.";
    const UNIQUE: Unique = Unique::Live;
    const INSTALLATION: bool = true;

    fn unique_key(&self) -> Option<String> {
        Some(String::new())
    }

    async fn run(&self, cx: &Context) -> JobResult {
        let (env, settings) = (&cx.env, &cx.env.settings);
        let before = env.now().minus(settings.keep_webhook_deliveries);
        let deliveries = deliveries::prune(&env.db, before).await?;
        let events = events::prune(&env.db, env.now().minus(settings.keep_events)).await?;
        Ok(Report::none().with("deliveries", deliveries).with("events", events))
    }
}
