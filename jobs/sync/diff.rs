//! The proof that the mirror is equal to Stripe: every object compared, nothing changed. Memory holds one page, and a
//! few bytes for each object, however many there are.

use std::{
    collections::{BTreeMap, HashSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use serde::Serialize;
use serde_json::Value;

use super::{
    apply,
    compare::{Drift, fields},
    model::{is_deleted, kept_text},
    store::objects::{self, Object, Scope},
    walk::read,
};
use crate::kernel::{
    Env, db,
    ports::{Fetched, Listing, ObjectType, Organization, Page, StripeError},
};

/// Objects of our mirror read at once.
const COMPARE_ROWS: i64 = 500;

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Objects that Stripe listed, by type.
    pub compared: BTreeMap<&'static str, u64>,
    /// Those that are not equal.
    pub drift: Vec<Drift>,
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

/// Compares the whole mirror of an organization with Stripe, object by object and field by field; changes nothing.
pub async fn diff(env: &Env, organization: &str) -> Result<Comparison, DiffError> {
    let stripe = apply::stripe_of(env, organization);
    let mut comparison = Comparison::default();
    for kind in ObjectType::ALL {
        diff_type(env, organization, &stripe, kind, &mut comparison).await?;
    }
    Ok(comparison)
}

async fn diff_type(
    env: &Env,
    organization: &str,
    stripe: &Organization,
    kind: ObjectType,
    comparison: &mut Comparison,
) -> Result<(), DiffError> {
    let scope = Scope { organization, stripe };
    let (mut seen, mut count) = (Seen::default(), 0);
    for listing in Listing::of(kind) {
        let mut after = None;
        loop {
            let page = list_patiently(env, organization, *listing, after.as_deref()).await?;
            let items = read(kind, &page);
            let ids: Vec<String> = items.iter().map(|item| item.0.clone()).collect();
            let ours: BTreeMap<String, Object> = objects::batch(&env.db, &scope, kind, &ids)
                .await?
                .into_iter()
                .filter(|object| !object.deleted)
                .map(|object| (object.id.clone(), object))
                .collect();
            for (id, _, value) in items {
                count += 1;
                seen.add(&id);
                comparison.note(kind, &id, ours.get(&id), Some(&value));
                after = Some(id);
            }
            if !page.has_more {
                break;
            }
        }
    }
    let mut last = String::new();
    loop {
        let rows = objects::living(&env.db, &scope, kind, &last, COMPARE_ROWS).await?;
        let Some(row) = rows.last() else { break };
        last.clone_from(&row.id);
        // Stripe's lists leave some objects out, such as prices made inline; only asking for them tells.
        for object in rows.iter().filter(|object| !seen.has(&object.id)) {
            let fetched = retrieve_patiently(env, organization, kind, &object.id).await?;
            let value: Option<Value> = fetched
                .raw
                .and_then(|raw| apply::read(&kept_text(kind, &raw)))
                .filter(|value| !is_deleted(value));
            comparison.note(kind, &object.id, Some(object), value.as_ref());
        }
    }
    comparison.compared.insert(kind.as_str(), count);
    Ok(())
}

/// Ids that Stripe listed, as hashes: two of a million share one with a chance of one to thirty million, and then an
/// object that is gone at Stripe is found the next time.
#[derive(Debug, Default)]
struct Seen(HashSet<u64>);

impl Seen {
    fn hash(id: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        hasher.finish()
    }

    fn add(&mut self, id: &str) {
        self.0.insert(Self::hash(id));
    }

    fn has(&self, id: &str) -> bool {
        self.0.contains(&Self::hash(id))
    }
}

impl Comparison {
    /// Notes an object unless both sides are equal.
    fn note(&mut self, kind: ObjectType, id: &str, ours: Option<&Object>, stripes: Option<&Value>) {
        let (how, fields) = match (ours, stripes) {
            (Some(object), Some(value)) => {
                ("differs", fields(&apply::read(&object.raw).unwrap_or(Value::Null), value))
            }
            (None, _) => ("missing", vec!["id".to_owned()]),
            (Some(_), None) => ("extra", vec!["id".to_owned()]),
        };
        if !fields.is_empty() {
            self.drift.push(Drift { object_type: kind.as_str(), id: id.to_owned(), how, fields });
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
