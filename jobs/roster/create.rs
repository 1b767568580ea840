//! Making a member.

use serde_json::json;

use super::{Outcome, Refused, follow};
use crate::{
    kernel::{
        Env, Timestamp,
        db::{Result, Tx},
        events::{Event, emit},
    },
    members::{
        Details,
        store::{self, Written},
    },
};

/// A member whom people make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewMember {
    /// What is known of her.
    pub details: Details,
    /// When she joined; `None`: now.
    pub joined_at: Option<Timestamp>,
}

/// Makes a member; answers her id. She has joined, so that is told.
pub async fn create(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    new: &NewMember,
) -> Result<Outcome<String>> {
    let details = &new.details;
    if let Err(invalid) = details.check() {
        return Ok(Err(invalid.into()));
    }
    let id = env.id("mem");
    let now = env.now();
    let joined_at = new.joined_at.unwrap_or(now);
    let written = Written { id: id.clone(), details, joined_at };
    if store::create(tx, organization, &[written], now).await?.is_empty() {
        return Ok(Err(taken(tx, organization, details).await?));
    }
    let nothing = Details::default();
    if !store::set_keys_and_tags(tx, env, organization, &id, (&nothing, details)).await? {
        return Ok(Err(key_taken(tx, organization, &id, details).await?));
    }
    let event = Event {
        kind: "audience.member_joined",
        organization_id: organization.to_owned(),
        member_id: Some(id.clone()),
        data: json!({ "joined_at": joined_at }),
    };
    emit(tx, env, &event).await?;
    follow::written(tx, env, organization, &nothing, details).await?;
    Ok(Ok(id))
}

/// Whose the address is.
pub(super) async fn taken(tx: &mut Tx, organization: &str, details: &Details) -> Result<Refused> {
    let email = details.normalized_email().unwrap_or_default();
    let holder = store::by_email(tx, organization, &email).await?;
    Ok(Refused::EmailTaken(holder.map(|(id, _)| id).unwrap_or_default()))
}

/// Whose one of the keys is that member `id` was to get.
pub(super) async fn key_taken(
    tx: &mut Tx,
    organization: &str,
    id: &str,
    details: &Details,
) -> Result<Refused> {
    let holders = store::holders(tx, organization, &details.keys).await?;
    let other = holders.into_iter().find(|(_, holder)| holder != id);
    // Without another, one of the keys was given twice at the same moment and is free again: like a change meanwhile.
    Ok(other.map_or(Refused::Changed, |(key, member)| Refused::KeyTaken { key, member }))
}
