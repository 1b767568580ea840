//! Reads the events that have come and applies what they carry, where that is provably the newest that is known.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{
    batch::{self, Batch, Done},
    store::events::{self, Unread},
};
use crate::kernel::{
    Context, Env, Job, JobError, JobResult, Report, Unique,
    db::{self, Error},
    limits::BUSY_RETRIES_MAX,
    outbox::{self, NewJob},
    ports::ObjectType,
};

/// Events of one transaction.
const EVENTS_MAX: i64 = 512;

/// Bytes of the events of one transaction. They are in memory several times while they are read.
const BYTES_MAX: i64 = 8 * 1024 * 1024;

/// Of fewer events a transaction is not worth its cost. When more come meanwhile they are let gather, for as long as the
/// last ones took: so a quiet mirror follows at once, and a busy one is late by no more than twice the time of a batch.
const WORTH_IT: usize = 256;

/// Why nothing came of an event of a type that only a newer memberd knows.
const NOT_MIRRORED: &str = "this version does not mirror objects of this type: replay the event after the upgrade";

/// A run that was told to stop goes on after this.
const RESUME_PAUSE: Duration = Duration::from_secs(1);

/// Applies the events that nobody has read yet, the oldest first, many in one transaction.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplyEvents {}

impl Job for ApplyEvents {
    const KIND: &'static str = "sync.apply_events";
    const ABOUT: &'static str = "Applies the events that have come; sends for the objects that they leave in doubt.";
    const TIMEOUT: Duration = Duration::from_mins(30);
    /// Whatever comes while it waits is read by it; what comes while it runs is read by the next.
    const UNIQUE: Unique = Unique::Waiting;
    const EXCLUSIVE: bool = true;

    fn unique_key(&self) -> Option<String> {
        Some(String::new())
    }

    async fn run(&self, cx: &Context) -> JobResult {
        let (env, organization) = (&cx.env, cx.organization());
        let mut all = Done::default();
        loop {
            if cx.cancel.is_cancelled() {
                return Err(JobError::Snooze(RESUME_PAUSE));
            }
            let unread = events::unread(&env.db, organization, EVENTS_MAX, BYTES_MAX).await?;
            if unread.is_empty() {
                break;
            }
            let (few, begun) = (unread.len() < WORTH_IT, Instant::now());
            let (unread, unknown): (Vec<_>, Vec<_>) =
                unread.into_iter().partition(|event| batch::key(event).is_some());
            all.add(&leave(env, organization, &unknown).await?);
            all.add(&apply(env, organization, Batch::read(env, &unread)).await?);
            if few {
                if !events::any_unread(&env.db, organization).await? {
                    break;
                }
                cx.pause(begun.elapsed()).await;
            }
        }
        metrics::counter!("memberd_sync_events_applied_total", "by" => "snapshot").increment(all.settled);
        metrics::counter!("memberd_sync_events_applied_total", "by" => "fetch").increment(all.asked);
        Ok(Report::none()
            .with("events", all.settled + all.asked + all.failed)
            .with("written", all.written)
            .with("fetches", all.fetches)
            .with("failed", all.failed))
    }
}

/// Ends events of types that this memberd does not know: a newer one has stored them, and unread they would come first
/// in every batch.
async fn leave(env: &Env, organization: &str, unknown: &[Unread]) -> db::Result<Done> {
    let ids: Vec<&str> = unknown.iter().map(|event| event.id.as_str()).collect();
    if !ids.is_empty() {
        let types: BTreeSet<&str> = unknown.iter().filter_map(|event| event.object_type.as_deref()).collect();
        tracing::warn!(organization, events = ids.len(), ?types, "{NOT_MIRRORED}");
        let mut tx = env.db.begin().await?;
        events::mark(&mut tx, organization, &ids, Some(NOT_MIRRORED), env.now()).await?;
        tx.commit().await?;
    }
    Ok(Done { failed: u64::try_from(ids.len()).unwrap_or(u64::MAX), ..Done::default() })
}

/// Has events read that an older memberd had to leave because only this one mirrors objects of their type.
///
/// # Errors
/// When the database cannot be read or written.
pub async fn read_what_an_older_one_left(env: &Env) -> db::Result<()> {
    let types = ObjectType::ALL.map(ObjectType::as_str);
    for organization in env.settings.organizations.keys() {
        let mut tx = env.db.begin().await?;
        if events::renew_left(&mut tx, organization, NOT_MIRRORED, &types).await? > 0 {
            outbox::enqueue(&mut tx, env, NewJob::of(organization, &ApplyEvents {})?).await?;
            tx.commit().await?;
        }
    }
    Ok(())
}

/// Applies a batch. One that the database does not take is halved until the object is found that is to blame; the
/// others must not wait for it.
async fn apply(env: &Env, organization: &str, batch: Batch) -> db::Result<Done> {
    let mut all = Done::default();
    let mut waiting = vec![(batch, 0)];
    while let Some((batch, tries)) = waiting.pop() {
        match batch::apply(env, organization, &batch).await {
            Ok(done) => all.add(&done),
            Err(error @ (Error::Busy(_) | Error::Conflict(_))) if tries < BUSY_RETRIES_MAX => {
                tracing::debug!(organization, %error, "applying events again");
                waiting.push((batch, tries + 1));
            }
            Err(error @ (Error::Conflict(_) | Error::Other(_))) => match batch.halve() {
                Ok((one, other)) => waiting.extend([(other, 0), (one, 0)]),
                Err(single) => {
                    let object = single.subject();
                    tracing::warn!(
                        organization, object, %error,
                        "an object's events cannot be applied: they are marked as failed and can be replayed"
                    );
                    all.add(&single.give_up(env, organization, &error.to_string()).await?);
                }
            },
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}
