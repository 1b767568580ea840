//! Having the links to Stripe's customers worked out anew after a change here.

use std::collections::BTreeSet;

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

/// What follows from details that were written. It is enqueued after the last of them: a job that waits already is locked until
/// the commit, and whoever holds a job's lock must not wait for a member's.
#[derive(Debug, Default)]
pub(super) struct Following {
    /// Customers who came or went.
    customers: BTreeSet<String>,
    address_moved: bool,
}

impl Following {
    /// After a member's details were written: customers whose key came or went are asked for, which links them or notes
    /// that they are linked to somebody else; another address, or another proof of it, may make plain who was not.
    pub(super) fn written(&mut self, before: &Details, after: &Details) {
        self.moved(before.keys.symmetric_difference(&after.keys));
        let proof = |details: &Details| (details.normalized_email(), details.email_verified);
        self.address_moved |= *before != Details::default() && proof(before) != proof(after);
    }

    /// After keys came or went.
    pub(super) fn moved<'a>(&mut self, keys: impl Iterator<Item = &'a Key>) {
        let customers = keys.filter(|key| key.is_stripes());
        self.customers.extend(customers.map(|key| key.external_id.clone()));
    }

    /// Enqueues it.
    pub(super) async fn enqueue(self, tx: &mut Tx, env: &Env, organization: &str) -> Result<()> {
        let settings = env.settings.organizations.get(organization);
        if settings.is_some_and(|one| one.has_stripe) {
            let fetch = |id: &String| NewJob::of(organization, &FetchObject::of(ObjectType::Customer, id));
            let jobs = self.customers.iter().map(fetch).collect::<std::result::Result<Vec<_>, _>>()?;
            outbox::enqueue_many(tx, env, jobs).await?;
        }
        if self.address_moved {
            address_moved(tx, env, organization).await?;
        }
        Ok(())
    }
}

/// After an address came or went: whose customers were not plain is looked at again.
pub(super) async fn address_moved(tx: &mut Tx, env: &Env, organization: &str) -> Result<()> {
    outbox::enqueue(tx, env, NewJob::of(organization, &ReviewLinks {})?).await?;
    Ok(())
}
