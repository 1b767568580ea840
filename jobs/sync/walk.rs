//! Walking Stripe's lists: for the first fill and for the nightly repair.
//!
//! A walk goes from the newest object to the oldest, page by page, each page one transaction with its checkpoint, so
//! that a crash resumes where it was. What is equal is left alone. What is not in the list any more is fetched one by
//! one, which finds tombstones.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::Value;

use super::{
    apply::{self, Unknown, Write},
    drift::{self, Found},
    find_customers,
    model::kept_text,
    park::{trouble, welcome},
    refer,
    store::{
        cursors::{self, Cursor},
        objects::{self, Left, Object, Scope, Truth},
        runs::{self, Run},
    },
};
use crate::kernel::{
    Context, Env, JobError, Report,
    db::{self, Tx},
    ports::{Listing, ObjectType, Page, StripeError},
};

/// Fetches enqueued at once for objects that a walk did not meet.
const UNSEEN_BATCH: i64 = 1_000;

/// How Stripe refuses to go on after an object that it does not know.
pub(super) const BAD_REQUEST: u16 = 400;

/// A walk that was told to stop goes on after this.
const RESUME_PAUSE: Duration = Duration::from_secs(1);

/// An object of a page: id, JSON text and JSON value.
type Item<'a> = (String, Cow<'a, str>, Value);

/// What a walk is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose<'a> {
    /// The first fill.
    Backfill,
    /// The repair: what differs is noted with this run.
    Reconcile(&'a Run),
}

impl<'a> Purpose<'a> {
    /// The name of its place in the table of cursors.
    pub(super) fn stream(self, kind: ObjectType) -> String {
        let word = match self {
            Self::Backfill => "backfill",
            Self::Reconcile(_) => "reconcile",
        };
        format!("{word}:{}", kind.as_str())
    }

    /// The run that it is part of.
    pub(super) const fn run(self) -> Option<&'a Run> {
        match self {
            Self::Backfill => None,
            Self::Reconcile(run) => Some(run),
        }
    }

    /// Ends the job with its last page, if it walks this one type only: otherwise a crash between the two would begin the
    /// whole walk anew.
    pub(super) async fn complete_in(self, cx: &Context, tx: &mut Tx, objects: i64) -> db::Result<()> {
        match self {
            Self::Backfill => cx.complete_in(tx, &report(objects)).await,
            Self::Reconcile(_) => Ok(()),
        }
    }

    /// Whether a place is one of this walk, not of one before: a backfill goes on with what is not done, a
    /// reconciliation with what its run has begun or done.
    fn owns(self, cursor: &Cursor) -> bool {
        match self {
            Self::Backfill => cursor.state == "running",
            Self::Reconcile(run) => cursor.started_at >= run.started_at,
        }
    }
}

/// What a walk tells.
pub(super) fn report(objects: i64) -> Report {
    Report::none().with("objects", objects)
}

/// Walks one type and applies what is found.
pub(super) async fn walk(
    cx: &Context,
    kind: ObjectType,
    purpose: Purpose<'_>,
) -> Result<Report, JobError> {
    let (env, organization) = (&cx.env, cx.organization());
    let stream = purpose.stream(kind);
    let before = cursors::get(&env.db, organization, &stream).await?;
    let mut at = before.filter(|cursor| purpose.owns(cursor));
    if at.as_ref().is_none_or(|cursor| cursor.state == "running") && Listing::of(kind).is_empty() {
        return refer::again(cx, kind, purpose).await;
    }
    while at.as_ref().is_none_or(|cursor| cursor.state == "running") {
        if cx.cancel.is_cancelled() {
            return Err(JobError::Snooze(RESUME_PAUSE));
        }
        let place = Place::read(at.as_ref());
        let Some(listing) = Listing::of(kind).get(place.list) else { break };
        let asked = env.now();
        let page = match env.stripe.list(organization, *listing, place.after.as_deref()).await {
            Ok(page) => page,
            Err(error) => return Err(start_over(env, organization, purpose, (at, &place), error).await?),
        };
        welcome(env, organization).await?;
        let cursor = at.unwrap_or_else(|| Cursor::at_start(stream.clone(), asked));
        at = Some(step(cx, kind, purpose, cursor, &page).await?);
    }
    Ok(report(at.map_or(0, |cursor| cursor.objects)))
}

/// Notes that the first fill of a type is under way, unless it is known to be.
pub(super) async fn begin(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    kind: ObjectType,
) -> db::Result<()> {
    let stream = Purpose::Backfill.stream(kind);
    if cursors::touch_running(tx, organization, &stream, env.now()).await? {
        return Ok(());
    }
    cursors::put(tx, organization, &Cursor::at_start(stream, env.now())).await
}

/// Applies one page and moves the place behind it, in one transaction.
async fn step(
    cx: &Context,
    kind: ObjectType,
    purpose: Purpose<'_>,
    mut cursor: Cursor,
    page: &Page,
) -> db::Result<Cursor> {
    let (env, organization) = (&cx.env, cx.organization());
    let place = Place::read(Some(&cursor));
    let items = read(kind, page);
    let ids: Vec<&str> = items.iter().map(|item| item.0.as_str()).collect();
    let mut tx = env.db.begin().await?;
    if cursor.cursor.is_none() {
        runs::forget_seen(&mut tx, organization, &cursor.stream).await?;
    }
    runs::see(&mut tx, organization, &cursor.stream, &ids).await?;
    apply_page(&mut tx, env, organization, (kind, purpose), page, &items).await?;
    let next = place.next(page, ids.last().copied());
    let met = i64::try_from(items.len()).unwrap_or(0);
    cursor.objects += met;
    cursor.updated_at = env.now();
    cursor.cursor = Some(next.write());
    if next.list == Listing::of(kind).len() {
        "done".clone_into(&mut cursor.state);
        fetch_unseen(&mut tx, env, organization, (kind, purpose), &cursor).await?;
        runs::forget_seen(&mut tx, organization, &cursor.stream).await?;
        find_customers::enqueue(&mut tx, env, organization).await?;
    }
    if let Some(run) = purpose.run() {
        runs::count(&mut tx, organization, &run.id, met, 0).await?;
    }
    cursors::put(&mut tx, organization, &cursor).await?;
    if cursor.state == "done" {
        purpose.complete_in(cx, &mut tx, cursor.objects).await?;
    }
    tx.commit().await?;
    Ok(cursor)
}

/// Stripe refuses to go on after an object that is gone by now. Then the walk forgets its place, for it would meet the
/// same refusal whenever it comes back.
async fn start_over(
    env: &Env,
    organization: &str,
    purpose: Purpose<'_>,
    (at, place): (Option<Cursor>, &Place),
    error: StripeError,
) -> Result<JobError, JobError> {
    let (StripeError::Refused { status: BAD_REQUEST, .. }, Some(_), Some(mut cursor)) =
        (&error, &place.after, at)
    else {
        return Ok(trouble(env, organization, error).await?);
    };
    let met = std::mem::take(&mut cursor.objects);
    cursor.cursor = None;
    let mut tx = env.db.begin().await?;
    if let Some(run) = purpose.run() {
        runs::count(&mut tx, organization, &run.id, -met, 0).await?;
    }
    cursors::put(&mut tx, organization, &cursor).await?;
    tx.commit().await?;
    Ok(JobError::Retry(anyhow::Error::msg(error.to_string())))
}

/// Where a walk is: in which of the type's lists, and after which object of it. Written as `1:price_9`.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    list: usize,
    after: Option<String>,
}

impl Place {
    fn read(cursor: Option<&Cursor>) -> Self {
        let text = cursor.and_then(|cursor| cursor.cursor.as_deref()).unwrap_or_default();
        let (list, after) = text.split_once(':').unwrap_or(("0", ""));
        Self {
            list: list.parse().unwrap_or(0),
            after: Some(after.to_owned()).filter(|id| !id.is_empty()),
        }
    }

    fn next(&self, page: &Page, last: Option<&str>) -> Self {
        match last.filter(|_| page.has_more) {
            Some(id) => Self { list: self.list, after: Some(id.to_owned()) },
            None => Self { list: self.list + 1, after: None },
        }
    }

    fn write(&self) -> String {
        format!("{}:{}", self.list, self.after.as_deref().unwrap_or_default())
    }
}

/// The objects of a page: id, JSON text and JSON value, of what is kept. What has no id is not an object.
pub(super) fn read(kind: ObjectType, page: &Page) -> Vec<(String, Cow<'_, str>, Value)> {
    page.objects
        .iter()
        .filter_map(|raw| {
            let raw = kept_text(kind, raw);
            let value: Value = serde_json::from_str(&raw).ok()?;
            let id = value.get("id")?.as_str()?.to_owned();
            Some((id, raw, value))
        })
        .collect()
}

/// Writes those objects of a page that are newer than what is held, and leaves equal ones alone. A page was true when it
/// was asked for or later, so what is held of the same second stays: a fetch could have seen more.
async fn apply_page(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    (kind, purpose): (ObjectType, Purpose<'_>),
    page: &Page,
    items: &[Item<'_>],
) -> db::Result<()> {
    let held = hold(tx, env, organization, kind, items).await?;
    let (mut writes, mut doubtful) = (Vec::new(), Vec::new());
    // An object that moved while the pages were turned can be on one of them twice.
    let mut once = BTreeSet::new();
    for (id, raw, value) in items.iter().filter(|item| once.insert(item.0.as_str())) {
        let before = held.get(id);
        // What is held is of after the page, or a clock was wrong and would keep all events off until its time comes.
        if before.is_some_and(|(object, _)| object.as_of > page.until) {
            doubtful.push(id.clone());
            continue;
        }
        if before.is_some_and(|(object, held)| object.until() >= page.as_of || held == value) {
            continue;
        }
        if before.is_some_and(|(object, _)| object.deleted) {
            // The page may be older than the tombstone; only a fetch tells whether the object is back.
            doubtful.push(id.clone());
            continue;
        }
        let api_version = page.api_version.as_deref();
        let truth = Truth {
            kind, id, raw, as_of: page.as_of, until: page.until, deleted: false, api_version,
        };
        writes.push(Write { truth, value, before: before.map(|(_, value)| value), afresh: false });
    }
    let lost = apply::write(tx, env, organization, &writes, Unknown::Await).await?;
    let run = purpose.run().map(|run| run.id.as_str());
    refer::send_for(tx, env, organization, kind, doubtful, run).await?;
    let Some(run) = run else { return Ok(()) };
    // Of those that are lost, another has told meanwhile.
    let is_lost = |id: &str| lost.contains(&(kind.as_str().to_owned(), id.to_owned()));
    let found: Vec<_> = writes
        .iter()
        .filter(|write| !is_lost(write.truth.id))
        .map(|write| Found {
            id: write.truth.id,
            ours: write.before,
            stripes: Some(write.value),
            as_of: held.get(write.truth.id).map(|(object, _)| object.as_of),
        })
        .collect();
    drift::note(tx, env, organization, run, kind, &found).await?;
    Ok(())
}

/// Locks and reads what is held of a page's objects.
async fn hold(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    kind: ObjectType,
    items: &[Item<'_>],
) -> db::Result<BTreeMap<String, (Object, Value)>> {
    let stripe = apply::stripe_of(env, organization);
    let scope = Scope { organization, stripe: &stripe };
    let ids: Vec<&str> = items.iter().map(|item| item.0.as_str()).collect();
    let held = objects::lock(tx, &scope, kind, &ids).await?;
    let read = |object: Object| {
        let value = apply::read(&object.raw).unwrap_or_default();
        (object.id.clone(), (object, value))
    };
    Ok(held.into_iter().map(read).collect())
}

/// Objects that we think alive, that the walk did not meet and that nobody has written since it began: only asking for
/// each tells what became of it. Some live for ever without being listed; where there are many of them, the next walk
/// goes on where this one ends, so that each has its turn.
async fn fetch_unseen(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    (kind, purpose): (ObjectType, Purpose<'_>),
    cursor: &Cursor,
) -> db::Result<()> {
    let stripe = apply::stripe_of(env, organization);
    let scope = Scope { organization, stripe: &stripe };
    let stream = format!("unseen:{}", kind.as_str());
    let before = cursors::get_in(tx, organization, &stream).await?;
    let after = before.as_ref().and_then(|cursor| cursor.cursor.as_deref()).unwrap_or_default();
    let left = Left { stream: &cursor.stream, since: cursor.started_at, after };
    let unseen = objects::unseen(tx, &scope, kind, &left, UNSEEN_BATCH).await?;
    let rest = refer::rest_after(&unseen, UNSEEN_BATCH);
    if before.is_some() || rest.is_some() {
        let place = Cursor { stream, cursor: rest, ..cursor.clone() };
        cursors::put(tx, organization, &place).await?;
    }
    let run = purpose.run().map(|run| run.id.as_str());
    refer::send_for(tx, env, organization, kind, unseen, run).await
}
