//! Asks Stripe for the events of the last minutes, so that a webhook that never came is not missed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    ApplyEvents, Arrived, ReceiveError, Received, Source,
    receive::store,
    store::{
        cursors::{self, Cursor},
        events,
    },
};
use crate::kernel::{
    Context, Env, Job, JobError, JobResult, Report, Timestamp, Unique,
    outbox::{self, NewJob},
    ports::Listing,
    queue::Queue,
};

/// Each poll looks this far behind the last one: events become visible late and out of order.
const OVERLAP: Duration = Duration::from_mins(10);

/// How far the first poll looks back; older truth comes with the backfill.
const FIRST_LOOK: Duration = Duration::from_hours(24);

/// Pages of one poll, the newest first; what is older comes with the reconciliation.
const PAGES_MAX: usize = 1_000;

/// Lists the events since the last poll for every organization and stores those that no webhook brought.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PollEvents {}

impl Job for PollEvents {
    const KIND: &'static str = "sync.poll_events";
    const ABOUT: &'static str = "Stores the events that Stripe made and no webhook brought.";
    const QUEUE: Queue = Queue::Stripe;
    const TIMEOUT: Duration = Duration::from_mins(10);
    const UNIQUE: Unique = Unique::Live;
    const INSTALLATION: bool = true;

    fn unique_key(&self) -> Option<String> {
        Some(String::new())
    }

    async fn run(&self, cx: &Context) -> JobResult {
        let (mut seen, mut new, mut trouble) = (0_u64, 0_u64, None);
        let organizations = &cx.env.settings.organizations;
        for (id, _) in organizations.iter().filter(|(_, it)| it.has_stripe) {
            match poll(cx, id).await {
                Ok((of_one, new_of_one)) => {
                    seen += of_one;
                    new += new_of_one;
                }
                // The trouble of one organization, such as a withdrawn key, must not hold up the others.
                Err(error) => trouble = trouble.or(Some(error)),
            }
        }
        metrics::counter!("memberd_sync_polled_events_total").increment(new);
        if let Some(error) = trouble {
            return Err(error);
        }
        Ok(Report::none().with("events", seen).with("new", new))
    }
}

async fn poll(cx: &Context, organization: &str) -> Result<(u64, u64), JobError> {
    let env = &cx.env;
    let before = cursors::get(&env.db, organization, "events").await?;
    let watermark = before.as_ref().and_then(|cursor| cursor.cursor.as_deref()?.parse().ok());
    let since = watermark
        .map_or_else(|| env.now().minus(FIRST_LOOK), |at| Timestamp(at).minus(OVERLAP));
    let (mut seen, mut new, mut reached) = (0, 0, None);
    let mut after: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let page =
            env.stripe.list(organization, Listing::EventsSince(since), after.as_deref()).await?;
        // The newest page tells up to when this poll has looked.
        reached = reached.or(Some(page.as_of));
        let ids: Vec<Option<String>> = page.objects.iter().map(|body| id_of(body)).collect();
        new += receive_unknown(env, organization, &page.objects, &ids).await?;
        seen += u64::try_from(ids.len()).unwrap_or(u64::MAX);
        after = ids.into_iter().next_back().flatten();
        if !page.has_more || after.is_none() {
            break;
        }
    }
    let unread = events::any_unread(&env.db, organization).await?;
    let mut tx = env.db.begin().await?;
    if unread {
        // Also those whose job was cancelled or given up, which would stay unread until another event comes.
        outbox::enqueue(&mut tx, env, NewJob::of(organization, &ApplyEvents {})?).await?;
    }
    let cursor = Cursor {
        stream: "events".to_owned(),
        cursor: reached.map(|at| at.0.to_string()),
        state: "done".to_owned(),
        objects: before.map_or(0, |cursor| cursor.objects) + i64::try_from(new).unwrap_or(0),
        started_at: since,
        updated_at: env.now(),
    };
    cursors::put(&mut tx, organization, &cursor).await?;
    tx.commit().await?;
    Ok((seen, new))
}

/// Stores those events of a page that are not here; answers how many are new. Nearly all are here, and a read tells so
/// for the whole page, without a durable commit.
async fn receive_unknown(
    env: &Env,
    organization: &str,
    bodies: &[String],
    ids: &[Option<String>],
) -> Result<u64, JobError> {
    let named: Vec<&str> = ids.iter().filter_map(Option::as_deref).collect();
    let known = events::known(&env.db, organization, &named).await?;
    let mut unknown = Vec::new();
    for (body, id) in bodies.iter().zip(ids) {
        if id.as_ref().is_some_and(|id| known.contains(id)) {
            continue;
        }
        match Arrived::read(env, organization, Source::Poll, body) {
            Ok(arrived) => unknown.push(arrived),
            Err(ReceiveError::Malformed(why)) => {
                tracing::warn!(organization, why, "Stripe listed something that is no event");
            }
            Err(ReceiveError::Db(error)) => return Err(error.into()),
        }
    }
    if unknown.is_empty() {
        return Ok(0);
    }
    let new = store(env, &unknown).await?.into_iter().filter(|one| *one == Received::New).count();
    Ok(u64::try_from(new).unwrap_or(u64::MAX))
}

/// Reads no more of the event than its id.
fn id_of(body: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        id: String,
    }
    serde_json::from_str::<Named>(body).ok().map(|named| named.id)
}
