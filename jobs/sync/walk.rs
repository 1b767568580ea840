//! Walking Stripe's lists: for the first fill, for the nightly repair, and for the proof that both are equal.
//!
//! A walk goes from the newest object to the oldest, page by page, each page one transaction with its checkpoint, so
//! that a crash resumes where it was. What is not in the list any more is fetched one by one, which finds tombstones.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::Serialize;
use serde_json::Value;

use super::{
    FetchObject,
    apply::{self, Write},
    model::{is_deleted, kept_text},
    refer,
    store::{
        cursors::{self, Cursor},
        events,
        objects::{self, Object, Scope, Truth},
    },
};
use crate::kernel::{
    Context, Env, JobError, Report,
    db::{self, Tx},
    outbox::{self, NewJob, PRIORITY_LOW},
    ports::{Fetched, Listing, ObjectType, Organization, Page, StripeError},
};

/// Objects of our mirror read at once while comparing.
const COMPARE_ROWS: i64 = 500;

/// Fetches enqueued at once for objects that a walk did not meet.
const UNSEEN_BATCH: i64 = 1_000;

/// A walk that was told to stop goes on after this.
const RESUME_PAUSE: Duration = Duration::from_secs(1);

/// One object that is not equal on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// Stripe's `object` word.
    pub object_type: &'static str,
    /// Stripe's id.
    pub id: String,
    /// `missing` (Stripe has it, we do not), `extra` (we have it, Stripe does not) or `differs`.
    pub cause: &'static str,
    /// The top-level fields that differ. Never their values: they can be personal.
    pub fields: Vec<String>,
}

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Objects that Stripe listed, by type.
    pub compared: BTreeMap<&'static str, u64>,
    /// Those that are not equal.
    pub drift: Vec<Drift>,
}

/// Walks one type and applies what is found. Drift is what no waiting event would have repaired.
pub(super) async fn walk(
    cx: &Context,
    kind: ObjectType,
    purpose: &str,
) -> Result<Report, JobError> {
    let (env, organization) = (&cx.env, cx.organization());
    if Listing::of(kind).is_empty() {
        return refer::again(env, organization, kind).await;
    }
    let stream = format!("{purpose}:{}", kind.as_str());
    let mut drifted = 0_u64;
    let mut at = cursors::get(&env.db, organization, &stream)
        .await?
        .filter(|cursor| cursor.state == "running");
    loop {
        if cx.cancel.is_cancelled() {
            return Err(JobError::Snooze(RESUME_PAUSE));
        }
        let place = Place::read(at.as_ref());
        let Some(listing) = Listing::of(kind).get(place.list) else { break };
        let asked = env.now();
        let page = match env.stripe.list(organization, *listing, place.after.as_deref()).await {
            Ok(page) => page,
            Err(error) => return Err(start_over(env, organization, at, &place, error).await?),
        };
        let items = read(kind, &page);
        drifted += drift_of_page(env, organization, kind, &items).await?;
        let mut cursor = at.take().unwrap_or_else(|| Cursor {
            stream: stream.clone(),
            cursor: None,
            state: "running".to_owned(),
            objects: 0,
            started_at: asked,
            updated_at: env.now(),
        });
        let mut tx = env.db.begin().await?;
        apply_page(&mut tx, env, organization, kind, &page, &items).await?;
        let next = place.next(&page, items.last().map(|item| item.0.as_str()));
        cursor.objects += i64::try_from(items.len()).unwrap_or(0);
        cursor.updated_at = env.now();
        cursor.cursor = Some(next.write());
        if next.list == Listing::of(kind).len() {
            "done".clone_into(&mut cursor.state);
            fetch_unseen(&mut tx, env, organization, kind, &cursor).await?;
        }
        cursors::put(&mut tx, organization, &cursor).await?;
        tx.commit().await?;
        at = Some(cursor);
    }
    let objects = at.map_or(0, |cursor| cursor.objects);
    Ok(Report::none().with("objects", objects).with("drifted", drifted))
}

/// Stripe refuses to go on after an object that is gone by now. Then the walk forgets its place, for it would meet the
/// same refusal whenever it comes back.
async fn start_over(
    env: &Env,
    organization: &str,
    at: Option<Cursor>,
    place: &Place,
    error: StripeError,
) -> Result<JobError, JobError> {
    let (StripeError::Refused { .. }, Some(_), Some(mut cursor)) = (&error, &place.after, at) else {
        return Ok(error.into());
    };
    cursor.cursor = None;
    cursor.objects = 0;
    let mut tx = env.db.begin().await?;
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
fn read(kind: ObjectType, page: &Page) -> Vec<(String, Cow<'_, str>, Value)> {
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

/// Writes those objects of a page that are newer than what is held. A page was true when it was asked for or later, so
/// what is held of the same second stays: a fetch could have seen more.
async fn apply_page(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    kind: ObjectType,
    page: &Page,
    items: &[(String, Cow<'_, str>, Value)],
) -> db::Result<()> {
    let stripe = apply::stripe_of(env, organization);
    let scope = Scope { organization, stripe: &stripe };
    let ids: Vec<&str> = items.iter().map(|item| item.0.as_str()).collect();
    let held: BTreeMap<String, (Object, Value)> = objects::lock(tx, &scope, kind, &ids)
        .await?
        .into_iter()
        .map(|object| {
            let value = apply::read(&object.raw).unwrap_or_default();
            (object.id.clone(), (object, value))
        })
        .collect();
    let (mut writes, mut buried) = (Vec::new(), Vec::new());
    // An object that moved while the pages were turned can be on one of them twice.
    let mut once = BTreeSet::new();
    for (id, raw, value) in items.iter().filter(|item| once.insert(item.0.as_str())) {
        let before = held.get(id);
        if before.is_some_and(|(object, _)| object.as_of >= page.as_of) {
            continue;
        }
        if before.is_some_and(|(object, _)| object.deleted) {
            // The page may be older than the tombstone; only a fetch tells whether the object is back.
            buried.push(id);
            continue;
        }
        let api_version = page.api_version.as_deref();
        let truth = Truth { kind, id, raw, as_of: page.as_of, deleted: false, api_version };
        writes.push(Write { truth, value, before: before.map(|(_, value)| value), afresh: false });
    }
    apply::write(tx, env, organization, &writes).await?;
    let job = |id: &String| {
        let job = FetchObject { object_type: kind.as_str().to_owned(), id: id.clone() };
        Ok(NewJob::of(organization, &job)?.priority(PRIORITY_LOW))
    };
    let jobs = buried.into_iter().map(job).collect::<db::Result<Vec<_>>>()?;
    outbox::enqueue_many(tx, env, jobs).await?;
    Ok(())
}

/// Objects that we think alive and that were not written since the walk began, so that it did not meet them. One that
/// it met but that was fetched in the second before is asked for once more, which does no harm.
async fn fetch_unseen(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    kind: ObjectType,
    cursor: &Cursor,
) -> db::Result<()> {
    let stripe = apply::stripe_of(env, organization);
    let scope = Scope { organization, stripe: &stripe };
    let unseen = objects::unseen_since(tx, &scope, kind, cursor.started_at, UNSEEN_BATCH).await?;
    let jobs = unseen
        .into_iter()
        .map(|id| FetchObject { object_type: kind.as_str().to_owned(), id })
        .map(|job| Ok(NewJob::of(organization, &job)?.priority(PRIORITY_LOW)))
        .collect::<db::Result<Vec<_>>>()?;
    outbox::enqueue_many(tx, env, jobs).await?;
    Ok(())
}

async fn drift_of_page(
    env: &Env,
    organization: &str,
    kind: ObjectType,
    items: &[(String, Cow<'_, str>, Value)],
) -> db::Result<u64> {
    let stripe = apply::stripe_of(env, organization);
    let scope = Scope { organization, stripe: &stripe };
    let ids: Vec<String> = items.iter().map(|item| item.0.clone()).collect();
    let ours = by_id(objects::batch(&env.db, &scope, kind, &ids).await?);
    let mut drifted = 0;
    for (id, _, value) in items {
        let known = ours.get(id);
        if known.is_some_and(|object| !object.deleted && fields(&object.raw, value).is_empty()) {
            continue;
        }
        let waiting = events::new_of_object(&env.db, organization, kind.as_str(), id).await?;
        drifted += u64::from(waiting.is_empty());
    }
    Ok(drifted)
}

fn by_id(objects: Vec<Object>) -> BTreeMap<String, Object> {
    objects.into_iter().map(|object| (object.id.clone(), object)).collect()
}

/// The top-level fields in which our copy and Stripe's differ.
fn fields(ours: &str, stripes: &Value) -> Vec<String> {
    let ours: Value = serde_json::from_str(ours).unwrap_or_default();
    let (Some(a), Some(b)) = (ours.as_object(), stripes.as_object()) else {
        return if ours == *stripes { Vec::new() } else { vec!["object".to_owned()] };
    };
    let mut names: Vec<String> =
        a.keys().chain(b.keys()).filter(|name| a.get(*name) != b.get(*name)).cloned().collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Compares the whole mirror of an organization with Stripe, object by object and field by field; changes nothing.
pub async fn diff(env: &Env, organization: &str) -> Result<Comparison, DiffError> {
    let stripe = apply::stripe_of(env, organization);
    let mut comparison = Comparison::default();
    for kind in ObjectType::ALL {
        diff_type(env, organization, &stripe, kind, &mut comparison).await?;
    }
    Ok(comparison)
}

/// Why a comparison could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// Stripe did not list everything.
    #[error("{0}")]
    Stripe(StripeError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] db::Error),
}

async fn diff_type(
    env: &Env,
    organization: &str,
    stripe: &Organization,
    kind: ObjectType,
    comparison: &mut Comparison,
) -> Result<(), DiffError> {
    let scope = Scope { organization, stripe };
    let mut ours = BTreeMap::new();
    let mut after = String::new();
    loop {
        let rows = objects::living(&env.db, &scope, kind, &after, COMPARE_ROWS).await?;
        let Some(last) = rows.last() else { break };
        after.clone_from(&last.id);
        ours.extend(by_id(rows));
    }
    let mut count = 0;
    for listing in Listing::of(kind) {
        let mut after = None;
        loop {
            let page = list_patiently(env, organization, *listing, after.as_deref()).await?;
            for (id, _, value) in read(kind, &page) {
                count += 1;
                comparison.note(kind, &id, ours.remove(&id).as_ref(), Some(&value));
                after = Some(id);
            }
            if !page.has_more {
                break;
            }
        }
    }
    // Stripe's lists leave some objects out, such as prices made inline; only asking for them tells.
    for (id, object) in ours {
        let fetched = retrieve_patiently(env, organization, kind, &id).await?;
        let value: Option<Value> =
            fetched.raw.and_then(|raw| apply::read(&kept_text(kind, &raw))).filter(|v| !is_deleted(v));
        comparison.note(kind, &id, Some(&object), value.as_ref());
    }
    comparison.compared.insert(kind.as_str(), count);
    Ok(())
}

impl Comparison {
    /// Notes an object unless both sides are equal.
    fn note(&mut self, kind: ObjectType, id: &str, ours: Option<&Object>, stripes: Option<&Value>) {
        let (cause, fields) = match (ours, stripes) {
            (Some(object), Some(value)) => ("differs", fields(&object.raw, value)),
            (None, _) => ("missing", vec!["id".to_owned()]),
            (Some(_), None) => ("extra", vec!["id".to_owned()]),
        };
        if !fields.is_empty() {
            self.drift.push(Drift { object_type: kind.as_str(), id: id.to_owned(), cause, fields });
        }
    }
}

/// Most waits for the request budget in a row before a comparison gives up.
const BUDGET_WAITS_MAX: u32 = 20;

/// Asks until the request budget allows it, because a person or a test is waiting for the answer.
macro_rules! patiently {
    ($ask:expr) => {{
        let mut waits = 0;
        loop {
            match $ask.await {
                Err(StripeError::RateLimited(pause)) if waits < BUDGET_WAITS_MAX => {
                    waits += 1;
                    tokio::time::sleep(pause).await;
                }
                other => break other.map_err(DiffError::Stripe),
            }
        }
    }};
}

async fn list_patiently(
    env: &Env,
    organization: &str,
    listing: Listing,
    after: Option<&str>,
) -> Result<Page, DiffError> {
    patiently!(env.stripe.list(organization, listing, after))
}

async fn retrieve_patiently(
    env: &Env,
    organization: &str,
    kind: ObjectType,
    id: &str,
) -> Result<Fetched, DiffError> {
    patiently!(env.stripe.retrieve(organization, kind, id))
}
