//! Making a member.

use serde_json::json;

use super::{Outcome, Refused, follow::Following};
use crate::{
    creators,
    kernel::{
        Env, Timestamp,
        db::{Error, Result, Tx},
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
///
/// # Errors
/// A conflict when another member gets the address or a key at the same moment: tried again, it is refused.
pub async fn create(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    new: &NewMember,
) -> Result<Outcome<String>> {
    let nothing = Details::default();
    let mut details = new.details.clone();
    if let Err(invalid) = details.check() {
        return Ok(Err(invalid.into()));
    }
    if let Err(why) = name_creator(tx, organization, &nothing, &mut details).await? {
        return Ok(Err(why));
    }
    let details = &details;
    if let Err(taken) = free(tx, organization, &nothing, details).await? {
        return Ok(Err(taken));
    }
    let id = env.id("mem");
    let now = env.now();
    let joined_at = new.joined_at.unwrap_or(now);
    let written = Written { id: id.clone(), details, joined_at };
    if store::create(tx, organization, &[written], now).await?.is_empty() {
        return Err(meanwhile());
    }
    put_keys_and_tags(tx, env, organization, &id, &nothing, details).await?;
    let event = Event {
        kind: "audience.member_joined",
        organization_id: organization.to_owned(),
        member_id: Some(id.clone()),
        data: json!({ "joined_at": joined_at }),
    };
    emit(tx, env, &event).await?;
    let mut following = Following::default();
    following.written(&nothing, details);
    following.enqueue(tx, env, organization).await?;
    Ok(Ok(id))
}

/// Puts the id of the creator in the place of the word that names her, where that is new. An archived one takes nobody.
pub(super) async fn name_creator(
    tx: &mut Tx,
    organization: &str,
    before: &Details,
    after: &mut Details,
) -> Result<Outcome<()>> {
    if after.creator == before.creator {
        return Ok(Ok(()));
    }
    let Some(word) = &after.creator else { return Ok(Ok(())) };
    let Some(found) = creators::find_in(tx, organization, word).await? else {
        return Ok(Err(creators::Refused::NoCreator.into()));
    };
    let is_new = before.creator.as_ref() != Some(&found.id);
    if is_new && found.archived_at.is_some() {
        return Ok(Err(creators::Refused::Archived(found.id).into()));
    }
    after.creator = Some(found.id);
    Ok(Ok(()))
}

/// Whether the address and the keys that are new in `after` are nobody else's.
pub(super) async fn free(
    tx: &mut Tx,
    organization: &str,
    before: &Details,
    after: &Details,
) -> Result<Outcome<()>> {
    if after.normalized_email() != before.normalized_email()
        && let Err(taken) = free_address(tx, organization, after).await?
    {
        return Ok(Err(taken));
    }
    let new = after.keys.difference(&before.keys);
    let holders = store::holders(tx, organization, new).await?;
    Ok(match holders.into_iter().next() {
        Some((key, member)) => Err(Refused::KeyTaken { key, member }),
        None => Ok(()),
    })
}

/// Whether no living member has the address.
pub(super) async fn free_address(
    tx: &mut Tx,
    organization: &str,
    details: &Details,
) -> Result<Outcome<()>> {
    let Some(email) = details.normalized_email() else { return Ok(Ok(())) };
    Ok(match store::by_email(tx, organization, &email).await? {
        Some((member, _)) => Err(Refused::EmailTaken(member)),
        None => Ok(()),
    })
}

/// Brings keys and tags from `before` to `after`.
///
/// # Errors
/// A conflict when one of the keys was taken since it was found free.
pub(super) async fn put_keys_and_tags(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    id: &str,
    before: &Details,
    after: &Details,
) -> Result<()> {
    if store::set_keys_and_tags(tx, env, organization, id, (before, after)).await? {
        return Ok(());
    }
    Err(meanwhile())
}

/// Somebody else was quicker: tried again, it is refused.
pub(super) fn meanwhile() -> Error {
    Error::Conflict("an address or a foreign key was taken meanwhile".to_owned())
}
