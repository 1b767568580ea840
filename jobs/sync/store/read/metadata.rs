//! Metadata, which only the raw objects hold: it can say anything, also what must go when a member is deleted.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::objects::{self, Scope};
use crate::kernel::{Env, db::Result, ports::ObjectType};

/// The metadata of several objects of a type, by their ids.
pub async fn metadata(
    env: &Env,
    organization: &str,
    kind: ObjectType,
    ids: &[String],
) -> Result<BTreeMap<String, Value>> {
    let stripe = env.settings.organizations.get(organization).cloned().unwrap_or_default();
    let scope = Scope { organization, stripe: &stripe };
    let rows = objects::batch(&env.db, &scope, kind, ids).await?;
    let read = |row: objects::Object| {
        let mut value: Value = serde_json::from_str(&row.raw).ok()?;
        Some((row.id, value.get_mut("metadata")?.take()))
    };
    Ok(rows.into_iter().filter_map(read).filter(|(_, it)| it.is_object()).collect())
}
