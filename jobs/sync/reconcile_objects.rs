//! The nightly repair: walks everything again and tells what no event had announced.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    drift,
    store::runs::{self, Run},
    walk::{Purpose, walk},
};
use crate::kernel::{
    Context, Env, Job, JobResult, OrFail, Report, Unique,
    db::{Result, Tx},
    outbox,
    outbox::NewJob,
    ports::ObjectType,
    queue::Queue,
};

/// How long reconciliations and what they found are remembered.
const KEEP: Duration = Duration::from_hours(90 * 24);

/// One that came no further for longer than this is begun anew: the next night must see everything again.
const RESUME_WITHIN: Duration = Duration::from_hours(12);

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
        reconcile(cx).await
    }
}

/// Walks all types. One that was interrupted goes on where it was, with what it had found.
async fn reconcile(cx: &Context) -> JobResult {
    let (env, organization) = (&cx.env, cx.organization());
    let (id, now) = (env.id("rec"), env.now());
    let mut tx = env.db.begin().await?;
    let (run, abandoned) = runs::begin(&mut tx, organization, &id, now, now.minus(RESUME_WITHIN)).await?;
    let mut found = 0;
    for run in &abandoned {
        found += tell(&mut tx, env, organization, run).await?;
    }
    tx.commit().await?;
    drift::counted(found);
    let mut report = Report::none().with("run", run.id.as_str());
    for kind in ObjectType::ALL {
        let of_type = walk(cx, kind, Purpose::Reconcile(&run)).await?;
        report = report.with(kind.as_str(), of_type.number("objects"));
    }
    let mut tx = env.db.begin().await?;
    let (now, keep) = (env.now(), env.now().minus(KEEP));
    let drifted = tell(&mut tx, env, organization, &run).await?;
    runs::finish(&mut tx, organization, &run.id, now, keep).await?;
    report = report.with("drifted", drifted);
    cx.complete_in(&mut tx, &report).await?;
    tx.commit().await?;
    drift::counted(drifted);
    Ok(report)
}

/// Tells of a run that is over, if objects differed of which no event has told by now; answers how many.
async fn tell(tx: &mut Tx, env: &Env, organization: &str, run: &Run) -> Result<u64> {
    let drifted = u64::try_from(runs::excuse(tx, organization, run).await?).unwrap_or(0);
    if drifted > 0 {
        drift::tell(tx, env, organization, &run.id, drifted).await?;
    }
    Ok(drifted)
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
