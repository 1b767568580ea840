//! Sees to it that no endpoint with something due is without its job.

use serde::{Deserialize, Serialize};

use super::store::endpoints;
use crate::kernel::{Context, Job, JobResult, Report, Unique, events::wake};

/// Enqueues the job of each endpoint at which something is due. Usually it is there and the new one folds into it; it is
/// not after it was discarded, as when the key of the secrets was missing for a day.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WakeEndpoints {}

impl Job for WakeEndpoints {
    const KIND: &'static str = "webhooks_out.wake_endpoints";
    const ABOUT: &'static str = "Sees to it that what is due at webhook endpoints is sent.";
    const UNIQUE: Unique = Unique::Live;
    const INSTALLATION: bool = true;

    fn unique_key(&self) -> Option<String> {
        Some(String::new())
    }

    async fn run(&self, cx: &Context) -> JobResult {
        let env = &cx.env;
        let waiting = endpoints::with_due(&env.db, env.now()).await?;
        let report = Report::none().with("endpoints", waiting.len());
        let mut tx = env.db.begin().await?;
        for (organization, endpoint) in &waiting {
            wake(&mut tx, env, organization, endpoint)?;
        }
        tx.commit().await?;
        Ok(report)
    }
}
