//! Having the links to Stripe's customers worked out anew after a change here.

use crate::{
    kernel::{
        Env,
        db::{Result, Tx},
        outbox::{self, NewJob},
        ports::ObjectType,
    },
    members::{Details, Key},
    sync::{FetchObject, ReviewLinks},
};

/// After a member's details were written: customers whose key came or went are asked for, which links them or notes that
/// they are linked to somebody else; another address, or another proof of it, may make plain who was not.
pub(super) async fn written(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    before: &Details,
    after: &Details,
) -> Result<()> {
    let moved = before.keys.symmetric_difference(&after.keys);
    fetch(tx, env, organization, moved).await?;
    let proof = |details: &Details| (details.normalized_email(), details.email_verified);
    if *before != Details::default() && proof(before) != proof(after) {
        address_moved(tx, env, organization).await?;
    }
    Ok(())
}

/// Asks for the customers among these keys.
pub(super) async fn fetch<'a>(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    keys: impl Iterator<Item = &'a Key>,
) -> Result<()> {
    let has_stripe = env.settings.organizations.get(organization).is_some_and(|one| one.has_stripe);
    if !has_stripe {
        return Ok(());
    }
    let mut jobs = Vec::new();
    for key in keys.filter(|key| key.is_stripes()) {
        let fetch = FetchObject::of(ObjectType::Customer, &key.external_id);
        jobs.push(NewJob::of(organization, &fetch)?);
    }
    outbox::enqueue_many(tx, env, jobs).await?;
    Ok(())
}

/// After an address came or went: whose customers were not plain is looked at again.
pub(super) async fn address_moved(tx: &mut Tx, env: &Env, organization: &str) -> Result<()> {
    outbox::enqueue(tx, env, NewJob::of(organization, &ReviewLinks {})?).await?;
    Ok(())
}
