//! Looking up whether an operation has had its effect.

use std::time::Duration;

use serde_json::Value;

use super::{
    model::{self, Kind, METADATA},
    store::Row,
};
use crate::kernel::{
    Env, Timestamp,
    ports::{Fetched, Listing, ObjectType, StripeError},
};

/// How long a key is trusted to be remembered at Stripe: it keeps them for at least 24 hours, and our clock may be off.
const KEY_TRUSTED: Duration = Duration::from_hours(23);

/// How far Stripe's clock and ours may be apart.
const CLOCKS_APART: Duration = Duration::from_hours(1);

/// Pages of a list that are searched for what an operation has made, from the newest on.
const SEARCH_PAGES_MAX: usize = 50;

/// What Stripe shows of an operation.
#[derive(Debug)]
pub(super) enum Effect {
    /// It has happened; the object as it is now.
    There(Fetched),
    /// It has not happened.
    Absent,
    /// A later operation on the same object was carried out; doing this one now would undo it.
    Superseded(String),
}

/// Whether Stripe may have forgotten the key, so that sending it again could be a second effect.
pub(super) fn key_is_old(operation: &Row, now: Timestamp) -> bool {
    let remembered = operation.looked_up_at.max(operation.first_sent_at);
    remembered.is_some_and(|at| now.since(at) >= KEY_TRUSTED)
}

/// Asks Stripe for the object and looks for the effect.
pub(super) async fn look_up(
    env: &Env,
    organization: &str,
    operation: &Row,
    kind: Kind,
) -> Result<Effect, StripeError> {
    let Some(object) = model::mirrored(&operation.object_type) else {
        return Ok(Effect::Absent);
    };
    let Some(id) = &operation.object_id else {
        return search(env, organization, operation, object).await;
    };
    let fetched = env.stripe.retrieve(organization, object, id).await?;
    let value: Value = fetched
        .raw
        .as_deref()
        .and_then(|raw| serde_json::from_str(raw).ok())
        .unwrap_or_default();
    let delete = operation.method == "DELETE";
    if model::has_effect(kind, delete, &operation.id, &value) {
        return Ok(Effect::There(fetched));
    }
    match value["metadata"][METADATA].as_str() {
        // Ids grow with time.
        Some(later) if later > operation.id.as_str() => Ok(Effect::Superseded(later.to_owned())),
        _ => Ok(Effect::Absent),
    }
}

/// Looks for what an operation has made among the newest objects of its type.
async fn search(
    env: &Env,
    organization: &str,
    operation: &Row,
    kind: ObjectType,
) -> Result<Effect, StripeError> {
    let oldest = operation.created_at.minus(CLOCKS_APART).seconds();
    let mut after: Option<String> = None;
    for _ in 0..SEARCH_PAGES_MAX {
        let listing = Listing::Objects(kind);
        let page = env
            .stripe
            .list(organization, listing, after.as_deref())
            .await?;
        for raw in &page.objects {
            let value: Value = serde_json::from_str(raw).unwrap_or_default();
            if value["metadata"][METADATA] == operation.id.as_str() {
                return Ok(Effect::There(Fetched {
                    raw: Some(raw.clone()),
                    as_of: page.as_of,
                    until: page.until,
                    api_version: page.api_version,
                }));
            }
            if value["created"]
                .as_i64()
                .is_some_and(|created| created < oldest)
            {
                return Ok(Effect::Absent);
            }
            after = value["id"].as_str().map(str::to_owned);
        }
        if !page.has_more {
            return Ok(Effect::Absent);
        }
    }
    let why = format!("its effect was not found among the first {SEARCH_PAGES_MAX} pages");
    Err(StripeError::Unavailable(why))
}
