//! The nightly repair: walks everything again and tells what no event had announced.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::walk::walk;
use crate::kernel::{
    Context, Job, JobResult, OrFail, Report, Unique,
    events::{Event, emit},
    outbox,
    outbox::NewJob,
    ports::ObjectType,
    queue::Queue,
};

/// Compares the mirror with Stripe and repairs what differs, for one organization or for all.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReconcileObjects {
    /// Whose mirror; none for all organizations that have a Stripe key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
}

impl Job for ReconcileObjects {
    const KIND: &'static str = "sync.reconcile_objects";
    const ABOUT: &'static str = "Compares the mirror with Stripe, repairs what differs and reports it as drift.";
    const QUEUE: Queue = Queue::Stripe;
    const TIMEOUT: Duration = Duration::from_hours(6);
    const UNIQUE: Unique = Unique::Live;
    const INSTALLATION: bool = true;

    fn unique_key(&self) -> Option<String> {
        Some(self.organization.clone().unwrap_or_default())
    }

    async fn run(&self, cx: &Context) -> JobResult {
        match self.organization.as_deref() {
            None => return each_organization(cx).await,
            Some(named) if named == cx.organization() => {}
            Some(named) => {
                let ours = cx.organization();
                return Err(anyhow::anyhow!(
                    "this job works for organization `{ours}` but is to walk `{named}`: enqueue it for `{named}`"
                ))
                .or_fail();
            }
        }
        let mut report = Report::none();
        let mut drifted = 0;
        for kind in ObjectType::ALL {
            let of_type = walk(cx, kind, "reconcile").await?;
            drifted += of_type.number("drifted");
            report = report
                .with(kind.as_str(), of_type.number("objects"))
                .with("drifted", drifted);
        }
        let mut tx = cx.env.db.begin().await?;
        if drifted > 0 {
            metrics::counter!("memberd_sync_drift_objects_total").increment(drifted);
            let event = Event {
                kind: "sync.drift_detected",
                organization_id: cx.organization().to_owned(),
                member_id: None,
                data: json!({ "objects": drifted }),
            };
            emit(&mut tx, &cx.env, &event).await?;
        }
        cx.complete_in(&mut tx, &report).await?;
        tx.commit().await?;
        Ok(report)
    }
}

async fn each_organization(cx: &Context) -> JobResult {
    let mut tx = cx.env.db.begin().await?;
    let mut count = 0;
    for (id, _) in cx.env.settings.organizations.iter().filter(|(_, it)| it.has_stripe) {
        let job = ReconcileObjects { organization: Some(id.clone()) };
        outbox::enqueue(&mut tx, &cx.env, NewJob::of(id, &job)?).await?;
        count += 1;
    }
    let report = Report::none().with("organizations", count);
    cx.complete_in(&mut tx, &report).await?;
    tx.commit().await?;
    Ok(report)
}
