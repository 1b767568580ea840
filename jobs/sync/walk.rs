//! Walking Stripe's lists: for the first fill, for the nightly repair, and for the proof that both are equal.
//!
//! A walk goes from the newest object to the oldest, page by page, each page one transaction with its checkpoint, so
//! that a crash resumes where it was. What is not in the list any more is fetched one by one, which finds tombstones.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use serde_json::Value;

use super::{
    FetchObject, apply,
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
    ports::{Listing, ObjectType, Organization, Page, StripeError},
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
pub(super) async fn walk(cx: &Context, kind: ObjectType, purpose: &str) -> Result<Report, JobError> {
    let (env, organization) = (&cx.env, cx.organization());
    let stream = format!("{purpose}:{}", kind.as_str());
    let mut drifted = 0_u64;
    let mut at = cursors::get(&env.db, organization, &stream)
        .await?
        .filter(|cursor| cursor.state == "running");
    loop {
        if cx.cancel.is_cancelled() {
            return Err(JobError::Snooze(RESUME_PAUSE));
        }
        let after = at.as_ref().and_then(|cursor| cursor.cursor.as_deref());
        let page = env.stripe.list(organization, Listing::Objects(kind), after).await?;
        let items = read(&page);
        drifted += drift_of_page(env, organization, kind, &items).await?;
        let mut cursor = at.take().unwrap_or_else(|| Cursor {
            stream: stream.clone(),
            cursor: None,
            state: "running".to_owned(),
            objects: 0,
            started_at: page.as_of,
            updated_at: env.now(),
        });
        let mut tx = env.db.begin().await?;
        apply_page(&mut tx, env, organization, kind, &page, &items).await?;
        cursor.objects += i64::try_from(items.len()).unwrap_or(0);
        cursor.updated_at = env.now();
        let last = items.last().map(|item| item.0.clone());
        if page.has_more && last.is_some() {
            cursor.cursor = last;
        } else {
            cursor.cursor = None;
            "done".clone_into(&mut cursor.state);
            fetch_unseen(&mut tx, env, organization, kind, &cursor).await?;
        }
        cursors::put(&mut tx, organization, &cursor).await?;
        tx.commit().await?;
        if cursor.state == "done" {
            return Ok(Report::none().with("objects", cursor.objects).with("drifted", drifted));
        }
        at = Some(cursor);
    }
}

/// The objects of a page: id, JSON text and JSON value. What has no id is not an object.
fn read(page: &Page) -> Vec<(String, &str, Value)> {
    page.objects
        .iter()
        .filter_map(|raw| {
            let value: Value = serde_json::from_str(raw).ok()?;
            let id = value.get("id")?.as_str()?.to_owned();
            Some((id, raw.as_str(), value))
        })
        .collect()
}

async fn apply_page(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    kind: ObjectType,
    page: &Page,
    items: &[(String, &str, Value)],
) -> db::Result<()> {
    for (id, raw, value) in items {
        let truth = Truth {
            kind,
            id,
            raw,
            as_of: page.as_of,
            deleted: false,
            api_version: page.api_version.as_deref(),
            replaces_same_second: false,
        };
        apply::apply(tx, env, organization, &truth, value).await?;
    }
    Ok(())
}

/// Objects that we think alive and that the walk, which saw everything since its start, did not meet.
async fn fetch_unseen(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    kind: ObjectType,
    cursor: &Cursor,
) -> db::Result<()> {
    let stripe = apply::stripe_of(env, organization);
    let scope = Scope { organization, stripe: &stripe };
    let unseen =
        objects::unseen_since(tx, &scope, kind, cursor.started_at, UNSEEN_BATCH).await?;
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
    items: &[(String, &str, Value)],
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
    let mut after = None;
    let mut count = 0;
    loop {
        let listing = Listing::Objects(kind);
        let page = list_patiently(env, organization, listing, after.as_deref()).await?;
        for (id, _, value) in read(&page) {
            count += 1;
            let (cause, fields) = match ours.remove(&id) {
                Some(object) => ("differs", fields(&object.raw, &value)),
                None => ("missing", vec!["id".to_owned()]),
            };
            if !fields.is_empty() {
                comparison.drift.push(Drift { object_type: kind.as_str(), id: id.clone(), cause, fields });
            }
            after = Some(id);
        }
        if !page.has_more {
            break;
        }
    }
    comparison.compared.insert(kind.as_str(), count);
    comparison.drift.extend(ours.into_keys().map(|id| Drift {
        object_type: kind.as_str(),
        id,
        cause: "extra",
        fields: Vec::new(),
    }));
    Ok(())
}

/// Most waits for the request budget in a row before a comparison gives up.
const BUDGET_WAITS_MAX: u32 = 20;

/// Lists a page; waits as long as Stripe or the budget asks, because a person or a test is waiting for the answer.
async fn list_patiently(
    env: &Env,
    organization: &str,
    listing: Listing,
    after: Option<&str>,
) -> Result<Page, DiffError> {
    let mut waits = 0;
    loop {
        match env.stripe.list(organization, listing, after).await {
            Err(StripeError::RateLimited(pause)) if waits < BUDGET_WAITS_MAX => {
                waits += 1;
                tokio::time::sleep(pause).await;
            }
            other => return other.map_err(DiffError::Stripe),
        }
    }
}
