//! Forgets calls that are old or too many.

use serde::{Deserialize, Serialize};

use super::activity;
use crate::kernel::{Context, Job, JobResult, Report, Unique};

/// Deletes calls of the activity log beyond `retention.activity` and `retention.activity_max`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PruneActivity {}

impl Job for PruneActivity {
    const KIND: &'static str = "access.prune_activity";
    const ABOUT: &'static str = "Deletes calls of the activity log beyond the retention, by age and by number.";
    const UNIQUE: Unique = Unique::Live;
    const INSTALLATION: bool = true;

    fn unique_key(&self) -> Option<String> {
        Some(String::new())
    }

    async fn run(&self, cx: &Context) -> JobResult {
        let (now, settings) = (cx.env.now(), &cx.env.settings);
        let before = now.minus(settings.keep_activity);
        let pruned = activity::prune(&cx.env.db, before, settings.keep_activity_max).await?;
        Ok(Report::none().with("pruned", pruned))
    }
}
