//! Telling the outside of changed levels.

use std::collections::BTreeSet;

use serde_json::json;

use super::store::count;
use crate::{
    kernel::{
        Env,
        db::{Result, Tx},
        events::{self, Event},
        scoring::Level,
    },
    members::store as members,
};

/// The type of the event.
pub const LEVEL_CHANGED: &str = "audience.engagement_level_changed";

/// A level that is another than the one that was last told.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Changed {
    /// The member's number.
    pub member_no: i64,
    /// `mem_…`
    pub member_id: String,
    /// The number of the level that was told.
    pub told_level: i64,
    /// The number of the level that is.
    pub level: i64,
    /// The whole score.
    pub score: i64,
}

/// Tells of changed levels, once each. Deleted members are left out; they are told of when they are back and change. The
/// caller holds the lock on the organization's scores.
pub(super) async fn tell(tx: &mut Tx, env: &Env, organization: &str, changed: &[Changed]) -> Result<()> {
    if changed.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = changed.iter().map(|one| one.member_id.as_str()).collect();
    let locked = members::lock_many(tx, organization, &ids).await?;
    let living = locked.into_iter().filter(|member| member.deleted_at.is_none());
    let living: BTreeSet<String> = living.map(|member| member.id).collect();
    let told: Vec<&Changed> =
        changed.iter().filter(|one| living.contains(&one.member_id)).collect();
    let event = |one: &&Changed| Event {
        kind: LEVEL_CHANGED,
        organization_id: organization.to_owned(),
        member_id: Some(one.member_id.clone()),
        data: json!({
            "level": Level::of(one.level).unwrap_or_default(),
            "previous_level": Level::of(one.told_level).unwrap_or_default(),
            "score": one.score,
        }),
    };
    let events: Vec<Event> = told.iter().map(event).collect();
    events::emit_many(tx, env, &events).await?;
    count::set_told(tx, organization, told.iter().map(|one| (one.member_no, one.level))).await
}
