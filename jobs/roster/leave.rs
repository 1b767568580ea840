//! Deleting and restoring a member.

use super::{
    Outcome, Whom,
    create::free_address,
    edit::locked,
    follow,
};
use crate::{
    entitlements,
    kernel::{
        Env, Timestamp,
        db::{Result, Tx},
    },
    members::store,
};

/// Deletes a member softly: she may use nothing any more and her address is free, everything else stays. Answers whether
/// she was there.
pub async fn delete(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    whom: Whom<'_>,
) -> Result<Outcome<bool>> {
    match locked(tx, organization, whom).await? {
        Ok((row, _)) if row.deleted_at.is_some() => return Ok(Ok(false)),
        Ok(_) => {}
        Err(why) => return Ok(Err(why)),
    }
    mark(tx, env, organization, whom.id, Some(env.now())).await?;
    Ok(Ok(true))
}

/// Restores a deleted member; answers whether she was deleted.
///
/// # Errors
/// A conflict when another member gets the address at the same moment: tried again, it is refused.
pub async fn restore(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    whom: Whom<'_>,
) -> Result<Outcome<bool>> {
    let details = match locked(tx, organization, whom).await? {
        Ok((row, _)) if row.deleted_at.is_none() => return Ok(Ok(false)),
        Ok((_, details)) => details,
        Err(why) => return Ok(Err(why)),
    };
    if let Err(taken) = free_address(tx, organization, &details).await? {
        return Ok(Err(taken));
    }
    mark(tx, env, organization, whom.id, None).await?;
    Ok(Ok(true))
}

/// Writes since when she is deleted, and what follows.
async fn mark(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    id: &str,
    deleted_at: Option<Timestamp>,
) -> Result<()> {
    store::set_deleted(tx, organization, id, deleted_at, env.now()).await?;
    if let Some(member) = store::lock(tx, organization, id).await? {
        entitlements::stand_anew(tx, env, &member).await?;
    }
    follow::address_moved(tx, env, organization).await
}
