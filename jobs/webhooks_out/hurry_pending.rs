//! Makes what is pending at an endpoint due, once somebody has enabled it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::store::{
    deliveries::{self, Place},
    endpoints,
};
use crate::kernel::{
    Context, Env, Job, JobError, JobResult, Report, Timestamp,
    db::{Result, Tx},
    events::wake,
    limits::PRUNE_BATCH_MAX,
    outbox::{self, NewJob},
    queue::Queue,
};

/// How long the endpoint rests at the most while this is being done; each batch begins that anew, the last one ends it.
const REST: Duration = Duration::from_mins(5);

/// Goes on where the request that enabled the endpoint had done enough. Until it is done the endpoint rests, so that nothing
/// is tried for the last time that is to have all its attempts before it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HurryPending {
    /// `whe_…`
    pub endpoint_id: String,
    /// When it was enabled. What was attempted later is left as it is.
    pub since: Timestamp,
    /// The last delivery that was made due.
    pub after: Place,
}

impl Job for HurryPending {
    const KIND: &'static str = "webhooks_out.hurry_pending";
    const ABOUT: &'static str = "Makes what is pending at a webhook endpoint due once it is enabled.";
    const QUEUE: Queue = Queue::Webhooks;

    async fn run(&self, cx: &Context) -> JobResult {
        let (env, organization) = (&cx.env, cx.organization());
        let mut work = self.clone();
        let mut batches = 0_i64;
        loop {
            let mut tx = env.db.begin().await?;
            let endpoint = endpoints::lock(&mut tx, organization, &self.endpoint_id).await?;
            let is_enabled = endpoint.is_some_and(|endpoint| endpoint.disabled_at.is_none());
            let goes_on = is_enabled && work.go_on(&mut tx, env, organization).await?;
            batches += 1;
            if !goes_on {
                let report = Report::none().with("batches", batches);
                cx.complete_in(&mut tx, &report).await?;
                tx.commit().await?;
                return Ok(report);
            }
            tx.commit().await?;
            if cx.cancel.is_cancelled() {
                return Err(JobError::Snooze(Duration::ZERO));
            }
        }
    }
}

impl HurryPending {
    /// Makes the next deliveries of the endpoint due, which the caller has locked. Answers whether there may be more.
    async fn go_on(&mut self, tx: &mut Tx, env: &Env, organization: &str) -> Result<bool> {
        let id = &self.endpoint_id;
        let last = deliveries::hurry(tx, organization, id, self.since, &self.after, PRUNE_BATCH_MAX).await?;
        let Some(last) = last else {
            endpoints::set_health(tx, id, None, None).await?;
            wake(tx, env, organization, id)?;
            return Ok(false);
        };
        endpoints::set_health(tx, id, None, Some(env.now().plus(REST))).await?;
        self.after = last;
        Ok(true)
    }
}

/// Makes what is pending at an endpoint that is enabled now due, with all its attempts before it: the longest due at once,
/// and if that is not all, the rest by a job.
pub(super) async fn hurry(tx: &mut Tx, env: &Env, organization: &str, endpoint: &str) -> Result<()> {
    let mut work = HurryPending {
        endpoint_id: endpoint.to_owned(),
        since: env.now(),
        after: Place::default(),
    };
    if work.go_on(tx, env, organization).await? {
        outbox::enqueue(tx, env, NewJob::of(organization, &work)?).await?;
    }
    Ok(())
}
