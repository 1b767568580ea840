//! Asks Stripe for the events of the last minutes, so that a webhook that never came is not missed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    ApplyEvents, Arrived, ReceiveError, Received, Source,
    park::{park, welcome},
    receive::store_each,
    store::{
        cursors::{self, Cursor},
        events,
    },
    walk::BAD_REQUEST,
};
use crate::kernel::{
    Context, Env, Job, JobError, JobResult, Report, Timestamp, Unique, db,
    outbox::{self, NewJob},
    ports::{Listing, StripeError},
    queue::Queue,
};

/// Each poll looks this far behind the last one: events become visible late and out of order.
const OVERLAP: Duration = Duration::from_mins(10);

/// How far the first poll looks back; older truth comes with the backfill.
const FIRST_LOOK: Duration = Duration::from_hours(24);

/// An event that a fetch was to settle is read again after this: by then the fetch is no more, for instance because it was
/// cancelled, or died with its process at its last attempt. One that still waits is folded into.
const ASKED_FOR: Duration = Duration::from_hours(24);

/// Pages of one run, the newest first; the next run goes on with what is older.
const PAGES_MAX: usize = 1_000;

/// A poll that was told to stop goes on after this.
const RESUME_PAUSE: Duration = Duration::from_secs(1);

/// Its name in the table of cursors.
const STREAM: &str = "events";

/// An event that is older than this when a poll brings it is one that no webhook will bring soon. Much less than
/// [`GAP_PAUSE`]: a poll finds only what was made since the last one.
const DELIVERED_WITHIN: Duration = Duration::from_secs(15);

/// How long after a poll that brought such events the organization is polled again: whatever keeps its webhooks away
/// most likely goes on.
const GAP_PAUSE: Duration = Duration::from_mins(1);

/// After a longer pause than this nobody was here to receive webhooks, so nothing was missed by them.
const WATCHED_WITHIN: Duration = Duration::from_mins(10);

/// Lists the events since the last poll and stores those that no webhook brought, for one organization or for all.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PollEvents {
    /// Whose events; none for all organizations that have a Stripe key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
}

/// What a poll of one organization has brought.
#[derive(Clone, Copy, Debug, Default)]
struct Brought {
    /// Events listed.
    seen: u64,
    /// Those of them that were not here.
    new: u64,
    /// Those of the new ones that a webhook should have brought.
    missed: u64,
}

impl Job for PollEvents {
    const KIND: &'static str = "sync.poll_events";
    const ABOUT: &'static str = "Stores the events that Stripe made and no webhook brought.";
    const QUEUE: Queue = Queue::Stripe;
    const TIMEOUT: Duration = Duration::from_mins(10);
    const UNIQUE: Unique = Unique::Live;
    const INSTALLATION: bool = true;

    fn unique_key(&self) -> Option<String> {
        Some(self.organization.clone().unwrap_or_default())
    }

    async fn run(&self, cx: &Context) -> JobResult {
        let (mut seen, mut new, mut trouble) = (0_u64, 0_u64, None);
        let mut gaps = Vec::new();
        let organizations = &cx.env.settings.organizations;
        let wanted = |id: &str| self.organization.as_deref().is_none_or(|only| only == id);
        for (id, _) in organizations.iter().filter(|(id, it)| it.has_stripe && wanted(id)) {
            let mut brought = Brought::default();
            // The trouble of one organization must not hold up the others.
            trouble = trouble.or(poll(cx, id, &mut brought).await.err());
            seen += brought.seen;
            new += brought.new;
            if brought.missed > 0 {
                let (organization, events) = (id.as_str(), brought.missed);
                tracing::warn!(
                    organization, events,
                    "the poll brought events that no webhook has: look at the endpoint in stripe's dashboard"
                );
                gaps.push(organization);
            }
        }
        let report = Report::none().with("events", seen).with("new", new);
        if !gaps.is_empty() {
            let mut tx = cx.env.db.begin().await?;
            if trouble.is_none() {
                // It may be the next one's twin, which would fold into it while it runs.
                cx.complete_in(&mut tx, &report).await?;
            }
            for organization in gaps {
                let again = PollEvents { organization: Some(organization.to_owned()) };
                let job = NewJob::of(organization, &again)?.due(cx.env.now().plus(GAP_PAUSE));
                outbox::enqueue(&mut tx, &cx.env, job).await?;
            }
            tx.commit().await?;
        }
        trouble.map_or(Ok(report), Err)
    }
}

async fn poll(cx: &Context, organization: &str, brought: &mut Brought) -> Result<(), JobError> {
    let env = &cx.env;
    let mut look = Look::read(env, organization).await?;
    for _ in 0..PAGES_MAX {
        if cx.cancel.is_cancelled() {
            return Err(JobError::Snooze(RESUME_PAUSE));
        }
        let listing = Listing::EventsSince(look.since);
        let page = match env.stripe.list(organization, listing, look.after.as_deref()).await {
            Ok(page) => page,
            Err(error) => {
                // Stripe refuses to go on after an event that it has forgotten: the next run begins at the newest.
                if matches!(error, StripeError::Refused { status: BAD_REQUEST, .. }) && look.after.take().is_some() {
                    look.keep(env, organization).await?;
                }
                // One that is parked is tried again by the next poll.
                if park(env, organization, &error).await? {
                    return Ok(());
                }
                return Err(error.into());
            }
        };
        welcome(env, organization).await?;
        // The newest page tells up to when this poll has looked. That its question came before is in the overlap.
        look.reached = look.reached.or(Some(page.as_of));
        let ids: Vec<Option<String>> = page.objects.iter().map(|body| id_of(body)).collect();
        let overdue = page.until.minus(DELIVERED_WITHIN);
        let (new, missed) = receive_unknown(env, organization, &page.objects, &ids, overdue).await?;
        metrics::counter!("memberd_sync_polled_events_total").increment(new);
        look.add(new);
        brought.new += new;
        brought.missed += if look.watched { missed } else { 0 };
        brought.seen += u64::try_from(ids.len()).unwrap_or(u64::MAX);
        look.after = ids.into_iter().next_back().flatten().filter(|_| page.has_more);
        if look.after.is_none() {
            look.finish(env, organization).await?;
            break;
        }
        look.keep(env, organization).await?;
    }
    Ok(())
}

/// How far a poll has looked. It goes from the newest event to the oldest, so that it is not over before its last page;
/// one that was interrupted goes on where it was, and the next one begins where it began.
#[derive(Debug)]
struct Look {
    since: Timestamp,
    /// Whether the last page was read so short ago that this process, or another, has received webhooks since.
    watched: bool,
    /// The time of its first page.
    reached: Option<Timestamp>,
    /// The last event of its last page.
    after: Option<String>,
    /// New events of this and all polls before.
    objects: i64,
}

impl Look {
    /// Where the table says that a poll was, or a new one. Written as milliseconds up to which was looked, and while a
    /// poll is under way as `since:reached:event`.
    async fn read(env: &Env, organization: &str) -> db::Result<Self> {
        let cursor = cursors::get(&env.db, organization, STREAM).await?;
        let objects = cursor.as_ref().map_or(0, |cursor| cursor.objects);
        let alive = env.now().minus(WATCHED_WITHIN);
        let watched = cursor.as_ref().is_some_and(|cursor| cursor.updated_at >= alive);
        let text = cursor.and_then(|cursor| cursor.cursor).unwrap_or_default();
        let mut parts = text.splitn(3, ':');
        let mut time = || parts.next()?.parse().ok().map(Timestamp);
        let (first, second) = (time(), time());
        let after = parts.next().filter(|id| !id.is_empty()).map(str::to_owned);
        let since = match (first, second) {
            (Some(since), Some(_)) => since,
            (Some(watermark), None) => watermark.minus(OVERLAP),
            (None, _) => env.now().minus(FIRST_LOOK),
        };
        Ok(Self { since, watched, reached: second.filter(|_| after.is_some()), after, objects })
    }

    fn add(&mut self, new: u64) {
        self.objects = self.objects.saturating_add(i64::try_from(new).unwrap_or(i64::MAX));
    }

    /// Remembers the place.
    async fn keep(&self, env: &Env, organization: &str) -> db::Result<()> {
        let after = self.after.as_deref().unwrap_or_default();
        let text = format!("{}:{}:{after}", self.since.0, self.reached.unwrap_or(self.since).0);
        let mut tx = env.db.begin().await?;
        cursors::put(&mut tx, organization, &self.cursor(env, text, "running")).await?;
        tx.commit().await
    }

    /// Remembers that everything up to the first page was looked at.
    async fn finish(&self, env: &Env, organization: &str) -> db::Result<()> {
        let text = self.reached.unwrap_or(self.since).0.to_string();
        let unread = events::any_unread(&env.db, organization).await?;
        let mut tx = env.db.begin().await?;
        let unasked = events::unask(&mut tx, organization, env.now().minus(ASKED_FOR)).await?;
        if unread || unasked > 0 {
            // Also those whose job was cancelled or given up, which would stay unread until another event comes.
            outbox::enqueue(&mut tx, env, NewJob::of(organization, &ApplyEvents {})?).await?;
        }
        cursors::put(&mut tx, organization, &self.cursor(env, text, "done")).await?;
        tx.commit().await
    }

    fn cursor(&self, env: &Env, text: String, state: &str) -> Cursor {
        Cursor {
            stream: STREAM.to_owned(),
            cursor: Some(text),
            state: state.to_owned(),
            objects: self.objects,
            started_at: self.since,
            updated_at: env.now(),
        }
    }
}

/// Stores those events of a page that are not here; answers how many are new, and how many of these were made before
/// `overdue`. Nearly all are here, and a read tells so for the whole page, without a durable commit.
async fn receive_unknown(
    env: &Env,
    organization: &str,
    bodies: &[String],
    ids: &[Option<String>],
    overdue: Timestamp,
) -> Result<(u64, u64), JobError> {
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
        return Ok((0, 0));
    }
    let (mut new, mut missed) = (0, 0);
    for (arrived, stored) in unknown.iter().zip(store_each(env, &unknown).await) {
        match stored {
            Ok(Received::New) => {
                new += 1;
                missed += u64::from(arrived.created_at() < overdue);
            }
            Ok(_) => {}
            // What the database refuses because of one event must not keep the poll at its page for ever.
            Err(error @ (db::Error::Other(_) | db::Error::Conflict(_))) => {
                let event = arrived.id();
                tracing::error!(organization, event, %error, "an event could not be stored and is left out: the next reconciliation repairs what it told of (or memberd sync reconcile)");
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((new, missed))
}

/// Reads no more of the event than its id.
fn id_of(body: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        id: String,
    }
    serde_json::from_str::<Named>(body).ok().map(|named| named.id)
}
