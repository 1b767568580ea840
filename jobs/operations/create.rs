//! Writing an operation, and letting it go when its turn has come.

use std::time::Duration;

use super::{
    SendOperation,
    model::{Kind, METADATA, Request},
    order::Orderer,
    store::{self, New},
};
use crate::kernel::{
    Env,
    db::{Result, Tx},
    outbox::{self, NewJob, PRIORITY_HIGH},
};

/// Stands in a form for the id of what the step before makes; it is put in when that has succeeded, before the form is
/// sent for the first time.
pub(super) const AFTER: &str = "{after}";

/// How long the job of an operation waits whose caller sends it itself: longer than the caller does.
const HANDOVER: Duration = Duration::from_secs(15);

/// What an operation waits for.
#[derive(Clone, Copy, Debug)]
pub(super) enum After<'a> {
    /// The end of whatever else changes the same object: orders are carried out in the order in which they came.
    SameObject,
    /// The end of whatever else changes this object.
    Object(&'a str),
    /// The success of another one.
    Success(&'a str),
}

/// Writes an operation, and the job that sends it unless it has to wait for another one.
pub(super) async fn create(
    tx: &mut Tx,
    env: &Env,
    orderer: Orderer<'_>,
    mut request: Request,
    member: Option<&str>,
    after: After<'_>,
) -> Result<String> {
    let organization = orderer.organization;
    let id = env.id("op");
    if request.stamped {
        request
            .form
            .push((format!("metadata[{METADATA}]"), id.clone()));
    }
    let (before, needs_success) = match (after, &request.object_id) {
        (After::SameObject, Some(object)) => (
            store::last_open(tx, organization, object)
                .await?
                .map(|(id, _)| id),
            false,
        ),
        (After::SameObject, None) => (None, false),
        (After::Object(object), _) => (
            store::last_open(tx, organization, object)
                .await?
                .map(|(id, _)| id),
            false,
        ),
        (After::Success(before), _) => (Some(before.to_owned()), true),
    };
    // Locked, so that it cannot end between this look and our insert.
    let waits = match &before {
        Some(before) => store::state_of(tx, before)
            .await?
            .is_some_and(|state| !state.is_final()),
        None => false,
    };
    let account = env
        .settings
        .organizations
        .get(organization)
        .cloned()
        .unwrap_or_default();
    let form = serde_json::json!(request.form).to_string();
    let new = New {
        id: &id,
        organization,
        kind: request.kind.as_str(),
        account: &account.account,
        livemode: account.livemode,
        method: request.method(),
        path: &request.path,
        form: &form,
        object_type: request.object_type,
        object_id: request.object_id.as_deref(),
        member,
        after: before.as_deref().filter(|_| waits),
        needs_success,
        actor: orderer.actor,
    };
    store::insert(tx, &new, env.now()).await?;
    if !waits {
        release(tx, env, organization, &id, request.kind.as_str()).await?;
    }
    Ok(id)
}

/// Enqueues the job that sends an operation.
pub(super) async fn release(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    id: &str,
    kind: &str,
) -> Result<()> {
    let job = NewJob::of(organization, &SendOperation { id: id.to_owned() })?;
    let job = if Kind::parse(kind).is_some_and(Kind::is_awaited) {
        job.due(env.now().plus(HANDOVER))
    } else {
        job
    };
    let job = outbox::enqueue(tx, env, job.priority(PRIORITY_HIGH)).await?;
    store::set_job(tx, id, &job.id).await
}
