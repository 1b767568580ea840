//! Receiving events: many of them stored in one transaction, once for each id, together with the one job that reads them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{ApplyEvents, FetchObject, apply::stripe_of, model, store::events::{self, NewEvent}};
use crate::kernel::{
    Env, Timestamp,
    db::{self, Tx},
    limits::BUSY_RETRIES_MAX,
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

/// An event that was read, to be stored.
#[derive(Clone, Debug)]
pub struct Arrived {
    organization: String,
    source: Source,
    received: Received,
    facts: model::EventFacts,
    body: String,
}

impl Arrived {
    /// Reads an event that Stripe sent to `organization`; its signature has been checked.
    ///
    /// # Errors
    /// [`ReceiveError::Malformed`]
    pub fn read(
        env: &Env,
        organization: &str,
        source: Source,
        body: &str,
    ) -> Result<Self, ReceiveError> {
        let value: Value =
            serde_json::from_str(body).map_err(|error| ReceiveError::Malformed(error.to_string()))?;
        let facts = model::event(&value).ok_or_else(|| {
            let why = "it lacks an id, a type, or a `created` between the years 1970 and 9999";
            ReceiveError::Malformed(why.to_owned())
        })?;
        let organization = owner(env, organization, &facts);
        let received = sort(env, organization, source, &facts);
        let body = model::kept_event(&value, body).into_owned();
        let organization = organization.to_owned();
        Ok(Self { organization, source, received, facts, body })
    }

    /// How large it is.
    pub const fn bytes(&self) -> usize {
        self.body.len()
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.facts.id
    }

    /// When the event was made at Stripe.
    pub const fn created_at(&self) -> Timestamp {
        self.facts.created_at
    }
}

/// Reads and stores one event that Stripe sent to `organization`; its signature has been checked. The same event again
/// changes nothing.
///
/// # Errors
/// [`ReceiveError::Malformed`], or the database's error: then nothing was stored and Stripe should send it again.
pub async fn receive(env: &Env, organization: &str, body: &str) -> Result<Received, ReceiveError> {
    let arrived = Arrived::read(env, organization, Source::Webhook, body)?;
    let received = store(env, &[arrived]).await?;
    received.into_iter().next().ok_or_else(|| db::Error::from(sqlx::Error::RowNotFound).into())
}

/// Stores events in one transaction; answers what became of each. For each organization with something new, the job
/// that reads them is enqueued there, so it exists if and only if they do. That folds into the one that waits, and
/// locks it until the commit: therefore many events share a transaction instead of waiting for each other's.
///
/// # Errors
/// The database's: then nothing was stored.
async fn store(env: &Env, arrived: &[Arrived]) -> db::Result<Vec<Received>> {
    // Each once, and in the order of their keys, so that two who store the same events never wait for each other.
    let once: BTreeMap<_, _> = arrived
        .iter()
        .rev()
        .map(|event| ((event.organization.as_str(), event.facts.id.as_str()), event))
        .collect();
    let rows: Vec<_> = once
        .into_values()
        .map(|event| NewEvent {
            organization: &event.organization,
            source: event.source,
            received: event.received,
            facts: &event.facts,
            body: &event.body,
        })
        .collect();
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = env.db.begin().await?;
    let mut new = events::insert(&mut tx, env.now(), &rows).await?;
    // Each row is new once, whoever else of this batch has its id.
    let mut became = |event: &Arrived| {
        let is_new = new.remove(&(event.organization.clone(), event.facts.id.clone()));
        if is_new { event.received } else { Received::Seen }
    };
    let received: Vec<_> = arrived.iter().map(&mut became).collect();
    let unread: BTreeSet<&str> = arrived
        .iter()
        .zip(&received)
        .filter(|(_, received)| **received == Received::New)
        .map(|(event, _)| event.organization.as_str())
        .collect();
    for organization in unread {
        outbox::enqueue(&mut tx, env, NewJob::of(organization, &ApplyEvents {})?).await?;
    }
    // Also when all were seen: on SQLite they may be of the group that is still to be made durable.
    tx.commit().await?;
    Ok(received)
}

/// Stores events in one transaction, and one by one when the database does not take them together: what it refuses because
/// of one event must not be refused to the others. Answers for each event, in their order.
pub async fn store_each(env: &Env, arrived: &[Arrived]) -> Vec<db::Result<Received>> {
    let mut stored = store(env, arrived).await;
    for _ in 0..BUSY_RETRIES_MAX {
        if !matches!(stored, Err(db::Error::Busy(_))) {
            break;
        }
        stored = store(env, arrived).await;
    }
    match stored {
        Ok(received) => received.into_iter().map(Ok).collect(),
        Err(db::Error::Other(_) | db::Error::Conflict(_)) if arrived.len() > 1 => {
            let mut answers = Vec::with_capacity(arrived.len());
            for one in arrived {
                let stored = store(env, std::slice::from_ref(one)).await;
                answers.push(stored.map(|received| received.first().copied().unwrap_or(Received::Seen)));
            }
            answers
        }
        Err(error) => vec![Err(error); arrived.len()],
    }
}

/// Whose event it is that came for `organization`. A platform's Connect endpoint tells of every account that is
/// connected to it, so an event that came for the platform and names another account goes to the organization that works
/// for that one with the platform's key. Nothing else does: who can sign for one organization must not reach another.
fn owner<'a>(env: &'a Env, organization: &'a str, facts: &model::EventFacts) -> &'a str {
    let organizations = &env.settings.organizations;
    let Some((named, ours)) = facts.account.as_deref().zip(organizations.get(organization)) else {
        return organization;
    };
    let theirs = organizations.iter().find(|(_, it)| {
        let one_key = it.has_stripe && ours.has_stripe && it.key_number == ours.key_number;
        !ours.connected && it.connected && it.account == named && one_key
    });
    theirs.map_or(organization, |(owner, _)| owner.as_str())
}

fn sort(env: &Env, organization: &str, source: Source, facts: &model::EventFacts) -> Received {
    let ours = stripe_of(env, organization);
    if facts.livemode != ours.livemode {
        return Received::WrongMode;
    }
    let is_ours = match &facts.account {
        Some(named) => *named == ours.account,
        // What a platform is told of itself. When we asked, it was for our account.
        None => !(ours.connected && source == Source::Webhook),
    };
    if !is_ours {
        return Received::Foreign;
    }
    match &facts.object {
        Some((kind, _)) if ObjectType::parse(kind).is_some() => Received::New,
        _ => Received::Ignored,
    }
}

/// Fetches the object of a stored event again, whatever became of the event. `None`: no such event, or it is about
/// nothing that is mirrored. Answers the job's id.
pub async fn replay(tx: &mut Tx, env: &Env, organization: &str, event: &str) -> db::Result<Option<String>> {
    let Some((kind, id)) = events::renew(tx, organization, event, env.now()).await? else {
        return Ok(None);
    };
    let Some(kind) = ObjectType::parse(&kind) else { return Ok(None) };
    let job = NewJob::of(organization, &FetchObject::of(kind, &id))?;
    Ok(Some(outbox::enqueue(tx, env, job).await?.id))
}
