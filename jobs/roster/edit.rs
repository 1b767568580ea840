//! Changing a member.

use std::collections::BTreeSet;

use super::{
    Outcome, Refused,
    create::{free, name_creator, put_keys_and_tags},
    follow::Following,
};
use crate::{
    engagement,
    kernel::{
        Env,
        db::{Result, Tx},
    },
    members::{
        Details, Edit, KeysEdit,
        store::{self, MemberRow},
    },
    sync::store::links,
};

/// Who is to be written. What is asked of her is asked once she is locked.
#[derive(Clone, Copy, Debug)]
pub struct Whom<'a> {
    /// `mem_…`
    pub id: &'a str,
    /// She must be at one of these versions; `None`: at any.
    pub expected: Option<&'a [String]>,
    /// She must be this creator's, else she is not there; `None`: whosever she is.
    pub only: Option<&'a str>,
}

impl<'a> Whom<'a> {
    /// This member, as she is.
    pub const fn is(id: &'a str) -> Self {
        Self { id, expected: None, only: None }
    }
}

/// Changes a member; answers whether that makes a difference.
///
/// # Errors
/// A conflict when another member gets the address or a key at the same moment: tried again, it is refused.
pub async fn edit(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    whom: Whom<'_>,
    edit: &Edit,
) -> Result<Outcome<bool>> {
    let mut following = Following::default();
    let done = apply(tx, env, organization, (whom, edit), &mut following).await?;
    following.enqueue(tx, env, organization).await?;
    Ok(done)
}

/// Changes her; what follows from it is noted.
pub(super) async fn apply(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    (whom, edit): (Whom<'_>, &Edit),
    following: &mut Following,
) -> Result<Outcome<bool>> {
    let id = whom.id;
    if edit.creator.is_some() {
        engagement::lock(tx, organization).await?;
    }
    let loose = loose_keys(tx, organization, id, edit).await?;
    let before = match locked(tx, organization, whom).await? {
        Ok((row, _)) if row.deleted_at.is_some() => return Ok(Err(Refused::Deleted)),
        Ok((_, details)) => details,
        Err(why) => return Ok(Err(why)),
    };
    let mut after = edit.apply(&before);
    if let Err(why) = name_creator(tx, organization, &before, &mut after).await? {
        return Ok(Err(why));
    }
    if after == before {
        return Ok(Ok(false));
    }
    if let Err(invalid) = after.check_after(&before) {
        return Ok(Err(invalid.into()));
    }
    if let Err(taken) = free(tx, organization, &before, &after).await? {
        return Ok(Err(taken));
    }
    let mut dropped = before.keys.difference(&after.keys);
    if let Some(key) = dropped.find(|key| key.is_stripes() && !loose.contains(&key.external_id)) {
        return Ok(Err(Refused::KeyLinked(key.external_id.clone())));
    }
    store::update(tx, organization, id, (&before, &after), env.now()).await?;
    put_keys_and_tags(tx, env, organization, id, &before, &after).await?;
    if after.creator != before.creator {
        engagement::move_member(tx, env, organization, id, after.creator.as_deref()).await?;
    }
    following.written(&before, &after);
    Ok(Ok(true))
}

/// Locks a member who must be there, and what is asked of her must be so.
pub(super) async fn locked(
    tx: &mut Tx,
    organization: &str,
    Whom { id, expected, only }: Whom<'_>,
) -> Result<Outcome<(MemberRow, Details)>> {
    if store::lock(tx, organization, id).await?.is_none() {
        return Ok(Err(Refused::NoMember));
    }
    let Some((row, details)) = store::details_in(tx, organization, id).await? else {
        return Ok(Err(Refused::NoMember));
    };
    if only.is_some_and(|only| details.creator.as_deref() != Some(only)) {
        return Ok(Err(Refused::NoMember));
    }
    if expected.is_some_and(|versions| !versions.contains(&details.version())) {
        return Ok(Err(Refused::Changed));
    }
    Ok(Ok((row, details)))
}

/// The customers whose keys the edit takes away and who are not linked to the member. Customers are locked before members
/// everywhere, so this is asked before she is locked; a key that she gets meanwhile is not among them.
async fn loose_keys(
    tx: &mut Tx,
    organization: &str,
    id: &str,
    edit: &Edit,
) -> Result<BTreeSet<String>> {
    let KeysEdit::Replace(keys) = &edit.keys else { return Ok(BTreeSet::new()) };
    let Some((_, before)) = store::details_in(tx, organization, id).await? else {
        return Ok(BTreeSet::new());
    };
    let dropped = before.keys.difference(keys).filter(|key| key.is_stripes());
    let mut loose: BTreeSet<String> = dropped.map(|key| key.external_id.clone()).collect();
    let ids: Vec<&str> = loose.iter().map(String::as_str).collect();
    for (customer, link) in links::of_customers(tx, organization, &ids).await? {
        if link.member_id.as_deref() == Some(id) {
            loose.remove(&customer);
        }
    }
    Ok(loose)
}
