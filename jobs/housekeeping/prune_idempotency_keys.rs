//! Forgets idempotency keys whose time is over.

use serde::{Deserialize, Serialize};

use crate::kernel::{Context, Job, JobResult, Report, Unique, idempotency};

/// Deletes the keys of callers, with their answers, a day after they were used.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PruneIdempotencyKeys {}

impl Job for PruneIdempotencyKeys {
    const KIND: &'static str = "housekeeping.prune_idempotency_keys";
    const ABOUT: &'static str = "Forgets idempotency keys of the API a day after they were used.";
    const UNIQUE: Unique = Unique::Live;
    const INSTALLATION: bool = true;

    fn unique_key(&self) -> Option<String> {
        Some(String::new())
    }

    async fn run(&self, cx: &Context) -> JobResult {
        let pruned = idempotency::prune(&cx.env.db, cx.env.now()).await?;
        Ok(Report::none().with("pruned", pruned))
    }
}
