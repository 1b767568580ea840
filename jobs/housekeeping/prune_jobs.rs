//! Forgets finished jobs that are old or too many.

use serde::{Deserialize, Serialize};

use crate::kernel::{Context, Job, JobResult, Report, Unique, queue::prune};

/// Deletes finished jobs beyond `retention.jobs` and `retention.jobs_max`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PruneJobs {}

impl Job for PruneJobs {
    const KIND: &'static str = "housekeeping.prune_jobs";
    const ABOUT: &'static str = "Deletes finished jobs beyond the retention, by age and by number.";
    const UNIQUE: Unique = Unique::Live;
    const INSTALLATION: bool = true;

    fn unique_key(&self) -> Option<String> {
        Some(String::new())
    }

    async fn run(&self, cx: &Context) -> JobResult {
        let (now, settings) = (cx.env.now(), &cx.env.settings);
        let before = now.minus(settings.keep_jobs);
        let pruned = prune::prune(&cx.env.db, before, settings.keep_jobs_max, now).await?;
        Ok(Report::none().with("pruned", pruned))
    }
}
