//! Sends an endpoint again what happened in a time.

use serde::{Deserialize, Serialize};

use super::{
    TEST_EVENT, endpoints,
    store::{deliveries, events::{self, Stretch}},
};
use crate::{
    args,
    kernel::{
        Context, Job, JobResult, OrFail as _, Report, Timestamp,
        events::wake,
        outbox::{self, NewJob, PRIORITY_LOW},
        queue::Queue,
    },
};

/// Events that one run makes due.
const EVENTS_MAX: i64 = 1_000;

/// Makes the events of a stretch of time due at an endpoint: some of them, and a job for the rest, in one transaction, so
/// that each is replayed once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayEvents {
    /// `whe_…`
    pub endpoint_id: String,
    /// From this moment on.
    pub since: Timestamp,
    /// Before this one.
    pub until: Timestamp,
    /// Only of these types; empty: all that the endpoint wants.
    #[serde(default)]
    pub types: Vec<String>,
    /// Whether what was delivered is left out.
    #[serde(default)]
    pub undelivered_only: bool,
    /// The last event that was made due.
    #[serde(default)]
    pub after: Option<String>,
}

impl Job for ReplayEvents {
    const KIND: &'static str = "webhooks_out.replay_events";
    const ABOUT: &'static str = "Makes events of a time due again at a webhook endpoint.";
    const QUEUE: Queue = Queue::Webhooks;

    async fn run(&self, cx: &Context) -> JobResult {
        let (env, organization) = (&cx.env, cx.organization());
        let now = env.now();
        let mut tx = env.db.begin().await?;
        let endpoint = endpoints::enabled(&mut tx, organization, &self.endpoint_id).await?.or_fail()?;
        let wanted = endpoint.event_types();
        let wants = |kind: &str| {
            kind != TEST_EVENT
                && wanted.as_ref().is_none_or(|types| types.contains(&kind))
                && (self.types.is_empty() || self.types.iter().any(|one| one == kind))
        };
        let stretch = Stretch { since: self.since, until: self.until };
        let found =
            events::next(&mut tx, organization, stretch, self.after.as_deref(), EVENTS_MAX).await?;
        let rows: Vec<_> = found
            .iter()
            .filter(|(_, kind)| wants(kind))
            .map(|(id, kind)| args![env.id("whd"), organization, &self.endpoint_id, id, kind, now].to_vec())
            .collect();
        let made = deliveries::replay(&mut tx, &rows, self.undelivered_only).await?;
        if made > 0 {
            wake(&mut tx, env, organization, &self.endpoint_id)?;
        }
        let more = i64::try_from(found.len()).is_ok_and(|found| found >= EVENTS_MAX);
        if let Some((last, _)) = found.last().filter(|_| more) {
            let rest = Self { after: Some(last.clone()), ..self.clone() };
            let job = NewJob::of(organization, &rest)?.priority(PRIORITY_LOW);
            outbox::enqueue(&mut tx, env, job).await?;
        }
        let report = Report::none().with("events", found.len()).with("deliveries", made);
        cx.complete_in(&mut tx, &report).await?;
        tx.commit().await?;
        Ok(report)
    }
}
