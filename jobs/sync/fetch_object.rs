//! Fetches one object and applies what Stripe says about it now.

use serde::{Deserialize, Serialize};

use super::{apply, store::events};
use crate::kernel::{
    Context, Job, JobResult, OrFail, Report, Unique, ports::ObjectType, queue::Queue,
};

/// Fetches an object from Stripe and brings the mirror up to it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchObject {
    /// Stripe's `object` word.
    pub object_type: String,
    /// Stripe's id.
    pub id: String,
}

impl Job for FetchObject {
    const KIND: &'static str = "sync.fetch_object";
    const ABOUT: &'static str = "Fetches one object from Stripe and applies it to the mirror, members and entitlements.";
    const QUEUE: Queue = Queue::Stripe;
    /// A second event while the first fetch waits asks for nothing more; one while it runs does.
    const UNIQUE: Unique = Unique::Waiting;
    /// What was fetched last must be written last.
    const EXCLUSIVE: bool = true;

    fn unique_key(&self) -> Option<String> {
        Some(format!("{}:{}", self.object_type, self.id))
    }

    async fn run(&self, cx: &Context) -> JobResult {
        let organization = cx.organization();
        let kind = ObjectType::parse(&self.object_type)
            .ok_or_else(|| anyhow::anyhow!("objects of type `{}` are not mirrored", self.object_type))
            .or_fail()?;
        if self.id.is_empty() {
            return Err(anyhow::anyhow!("`id` is empty: give the id of the {}", kind.as_str())).or_fail();
        }
        // Whatever was announced before we ask is part of the answer.
        let announced =
            events::new_of_object(&cx.env.db, organization, kind.as_str(), &self.id).await?;
        let result = self.fetch(cx, kind, &announced).await;
        if let Err(error) = &result
            && let Some(why) = error.discards(cx.job.attempt, cx.job.max_attempts)
        {
            // Nobody tries again, so the events tell why nothing came of them.
            let mut tx = cx.env.db.begin().await?;
            let why = why.to_string();
            events::mark(&mut tx, organization, &announced, Some(&why), cx.env.now()).await?;
            tx.commit().await?;
        }
        result
    }
}

impl FetchObject {
    /// Fetches, applies, marks the events and ends the job in one transaction.
    async fn fetch(&self, cx: &Context, kind: ObjectType, announced: &[String]) -> JobResult {
        let organization = cx.organization();
        let fetched = cx.env.stripe.retrieve(organization, kind, &self.id).await?;
        let mut tx = cx.env.db.begin().await?;
        let newer = apply::fetched(&mut tx, &cx.env, organization, kind, &self.id, &fetched).await?;
        events::mark(&mut tx, organization, announced, None, cx.env.now()).await?;
        let report = Report::none().with("newer", newer).with("events", announced.len());
        cx.complete_in(&mut tx, &report).await?;
        tx.commit().await?;
        Ok(report)
    }
}
