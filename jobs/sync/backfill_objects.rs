//! The first fill: walks everything that Stripe has.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::walk::{Purpose, begin, walk};
use crate::kernel::{
    Context, Job, JobResult, OrFail, Report, Unique, outbox, outbox::NewJob, ports::ObjectType,
    queue::Queue,
};

/// Walks Stripe's lists of one type, or of all types, and applies what is there.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackfillObjects {
    /// Stripe's `object` word; none for all types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_type: Option<String>,
}

impl Job for BackfillObjects {
    const KIND: &'static str = "sync.backfill_objects";
    const ABOUT: &'static str = "Walks Stripe's lists and fills the mirror; resumes where it was stopped.";
    const QUEUE: Queue = Queue::Stripe;
    const TIMEOUT: Duration = Duration::from_hours(6);
    const UNIQUE: Unique = Unique::Live;

    fn unique_key(&self) -> Option<String> {
        Some(self.object_type.clone().unwrap_or_default())
    }

    async fn run(&self, cx: &Context) -> JobResult {
        let Some(word) = &self.object_type else {
            return each_type(cx).await;
        };
        let kind = ObjectType::parse(word)
            .ok_or_else(|| anyhow::anyhow!("objects of type `{word}` are not mirrored"))
            .or_fail()?;
        walk(cx, kind, Purpose::Backfill).await
    }
}

/// One job a type, so that they run side by side and each resumes by itself.
async fn each_type(cx: &Context) -> JobResult {
    let mut tx = cx.env.db.begin().await?;
    // From now on the customers are on their way, also for a walk that ends before theirs begins.
    begin(&mut tx, &cx.env, cx.organization(), ObjectType::Customer).await?;
    for kind in ObjectType::ALL {
        let job = BackfillObjects { object_type: Some(kind.as_str().to_owned()) };
        outbox::enqueue(&mut tx, &cx.env, NewJob::of(cx.organization(), &job)?).await?;
    }
    let report = Report::none().with("types", ObjectType::ALL.len());
    cx.complete_in(&mut tx, &report).await?;
    tx.commit().await?;
    Ok(report)
}
