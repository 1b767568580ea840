//! Tells outside that jobs were given up.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::store::events::{self, Discarded};
use crate::kernel::{
    Context, Job, JobResult, Report, Unique,
    events::{Event, emit_many},
};

/// Jobs told in one transaction.
const JOBS_MAX: i64 = 500;

/// Makes an event of each discarded job: a look at the history, so that the end of a job costs nothing more.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TellDiscarded {}

impl Job for TellDiscarded {
    const KIND: &'static str = "webhooks_out.tell_discarded";
    const ABOUT: &'static str = "Makes an event of each job that was discarded.";
    const UNIQUE: Unique = Unique::Live;
    const INSTALLATION: bool = true;

    fn unique_key(&self) -> Option<String> {
        Some(String::new())
    }

    async fn run(&self, cx: &Context) -> JobResult {
        let mut told = 0;
        loop {
            let mut tx = cx.env.db.begin().await?;
            let taken = events::take_discarded(&mut tx, JOBS_MAX).await?;
            if taken.is_empty() {
                return Ok(Report::none().with("told", told));
            }
            told += taken.len();
            let news: Vec<_> = taken.iter().map(event).collect();
            emit_many(&mut tx, &cx.env, &news).await?;
            tx.commit().await?;
        }
    }
}

/// Without its arguments and its error, which are for people with a key.
fn event(job: &Discarded) -> Event {
    Event {
        kind: "job.discarded",
        organization_id: job.organization_id.clone(),
        member_id: None,
        data: json!({ "job_id": job.id, "kind": job.kind, "attempts": job.attempt, "discarded_at": job.finished_at }),
    }
}
