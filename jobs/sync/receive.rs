//! Receiving an event: stored and turned into a job in one transaction, once for each id.

use serde_json::Value;

use super::{FetchObject, model, store};
use crate::kernel::{
    Env,
    db,
    outbox::{self, NewJob},
    ports::ObjectType,
};

/// How an event came to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Stripe called.
    Webhook,
    /// We asked.
    Poll,
}

impl Source {
    /// The word in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Poll => "poll",
        }
    }
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Stored, and a job for its object is on its way.
    New,
    /// It was here before; nothing changed.
    Seen,
    /// Stored; it is about something that is not mirrored.
    Ignored,
    /// Stored; it is of the other mode (test or live) than the organization's.
    WrongMode,
    /// Stored; it is of another account.
    Foreign,
}

impl Received {
    /// The word in answers and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Seen => "seen",
            Self::Ignored => "ignored",
            Self::WrongMode => "wrong_mode",
            Self::Foreign => "foreign",
        }
    }
}

/// Why an event could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// It is not JSON, or not an event.
    #[error("the body is not a Stripe event: {0}")]
    Malformed(String),
    /// The database did not take it.
    #[error(transparent)]
    Db(#[from] db::Error),
}

/// Stores an event that Stripe sent to `organization`; its signature has been checked. The same event again changes
/// nothing.
///
/// # Errors
/// [`ReceiveError::Malformed`], or the database's error: then nothing was stored and Stripe should send it again.
pub async fn receive(env: &Env, organization: &str, body: &str) -> Result<Received, ReceiveError> {
    receive_from(env, organization, Source::Webhook, body).await
}

/// One transaction an event: a page of polled events in one would hold what webhooks wait for. The text is read before
/// the transaction begins, because SQLite has one writer and others wait for it.
pub(super) async fn receive_from(
    env: &Env,
    organization: &str,
    source: Source,
    body: &str,
) -> Result<Received, ReceiveError> {
    let value: Value =
        serde_json::from_str(body).map_err(|error| ReceiveError::Malformed(error.to_string()))?;
    let facts = model::event(&value)
        .ok_or_else(|| ReceiveError::Malformed("it lacks an id, a type, or a `created` between the years 1970 and 9999".to_owned()))?;
    let received = sort(env, organization, &facts);
    let mut tx = env.db.begin().await?;
    if !store::events::insert(&mut tx, env.now(), organization, source, received, &facts, body).await? {
        // On SQLite the event we met may be of the group that is still to be made durable: "seen" waits for it, too.
        tx.commit().await?;
        return Ok(Received::Seen);
    }
    if let (Received::New, Some((kind, id))) = (received, &facts.object) {
        let job = FetchObject { object_type: kind.clone(), id: id.clone() };
        outbox::enqueue(&mut tx, env, NewJob::of(organization, &job)?).await?;
    }
    tx.commit().await?;
    Ok(received)
}

fn sort(env: &Env, organization: &str, facts: &model::EventFacts) -> Received {
    let ours = env.settings.organizations.get(organization);
    let (account, livemode) = ours.map_or(("", false), |o| (o.account.as_str(), o.livemode));
    if facts.livemode != livemode {
        return Received::WrongMode;
    }
    if facts.account.as_deref().is_some_and(|other| other != account) {
        return Received::Foreign;
    }
    match &facts.object {
        Some((kind, _)) if ObjectType::parse(kind).is_some() => Received::New,
        _ => Received::Ignored,
    }
}

/// Fetches the object of a stored event again, whatever became of the event. `None`: no such event, or it is about
/// nothing that is mirrored. Answers the job's id.
pub async fn replay(env: &Env, organization: &str, event: &str) -> db::Result<Option<String>> {
    let mut tx = env.db.begin().await?;
    let Some((kind, id)) = store::events::renew(&mut tx, organization, event).await? else {
        return Ok(None);
    };
    if ObjectType::parse(&kind).is_none() {
        return Ok(None);
    }
    let job = FetchObject { object_type: kind, id };
    let enqueued = outbox::enqueue(&mut tx, env, NewJob::of(organization, &job)?).await?;
    tx.commit().await?;
    Ok(Some(enqueued.id))
}
