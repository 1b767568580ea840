//! Fetches one object and applies what Stripe says about it now. It settles every doubt: what was known before Stripe
//! was asked is part of the answer, whatever the clocks say.

use std::time::Duration;

use anyhow::anyhow;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    apply::{self, Unknown, Write, is_buried, tombstone},
    drift::{self, Found},
    model,
    order::Change,
    park::{trouble, welcome},
    store::{
        events::{self, Announced},
        objects::{self, Object, Scope, Truth},
    },
};
use crate::kernel::{
    Context, Job, JobError, JobResult, OrFail, Report, Timestamp, Unique,
    db::{Result, Tx},
    ports::{Fetched, ObjectType},
    queue::Queue,
};

/// When something else was learnt of the object while Stripe was asked, and nobody can tell which is newer, it is asked
/// again after this. By then the second is over that both could be of.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// An object of which Stripe has told may be unknown to a part of Stripe for this long: they hear of it one by one.
const ANNOUNCED: Duration = Duration::from_mins(1);

/// Fetches an object from Stripe and brings the mirror up to it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchObject {
    /// Stripe's `object` word.
    pub object_type: String,
    /// Stripe's id.
    pub id: String,
    /// The reconciliation that did not meet the object: what differs is noted there, and what does not is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

impl Job for FetchObject {
    const KIND: &'static str = "sync.fetch_object";
    const ABOUT: &'static str = "Fetches one object from Stripe and applies it to the mirror, members and entitlements.";
    const QUEUE: Queue = Queue::Stripe;
    /// A second event while the first fetch waits asks for nothing more; one while it runs does.
    const UNIQUE: Unique = Unique::Waiting;
    /// What was fetched last must be written last.
    const EXCLUSIVE: bool = true;

    fn unique_key(&self) -> Option<String> {
        // Who was told of a change must not fold into who only looks whether there was one.
        let looks = if self.run.is_some() { "?" } else { "" };
        Some(format!("{}:{}{looks}", self.object_type, self.id))
    }

    async fn run(&self, cx: &Context) -> JobResult {
        let organization = cx.organization();
        let kind = ObjectType::parse(&self.object_type)
            .ok_or_else(|| anyhow!("objects of type `{}` are not mirrored", self.object_type))
            .or_fail()?;
        if self.id.is_empty() {
            return Err(anyhow!("`id` is empty: give the id of the {}", kind.as_str())).or_fail();
        }
        // Whatever was announced before we ask is part of the answer.
        let announced =
            events::new_of_object(&cx.env.db, organization, kind.as_str(), &self.id).await?;
        let result = self.fetch(cx, kind, &announced).await;
        if let Err(error) = &result
            && self.run.is_none()
            && let Some(why) = error.discards(cx.job.attempt, cx.job.max_attempts)
        {
            // Nobody tries again, so the events tell why nothing came of them. Those that nobody has read may need no
            // fetch, and whoever only looks is not the one who was to settle any.
            let asked = ids(announced.iter().filter(|event| event.asked));
            let mut tx = cx.env.db.begin().await?;
            let why = why.to_string();
            events::mark(&mut tx, organization, &asked, Some(&why), cx.env.now()).await?;
            tx.commit().await?;
        }
        result
    }
}

/// When Stripe last told that the object is there: by an event that waits, or by what is held. `None` when the latest
/// of the events says that it is gone.
fn alive_at(events: &[Announced], held: Option<&Object>) -> Option<Timestamp> {
    let latest = events.iter().max_by_key(|event| (event.created_at, Change::of(&event.kind)));
    if latest.is_some_and(|event| Change::of(&event.kind) == Change::Deleted) {
        return None;
    }
    let held = held.filter(|held| !held.deleted).map(|held| held.as_of);
    latest.map(|event| event.created_at).max(held)
}

fn ids<'a>(events: impl Iterator<Item = &'a Announced>) -> Vec<&'a str> {
    events.map(|event| event.id.as_str()).collect()
}

impl FetchObject {
    /// Fetches this object.
    pub fn of(kind: ObjectType, id: &str) -> Self {
        Self { object_type: kind.as_str().to_owned(), id: id.to_owned(), run: None }
    }

    /// Fetches, applies, marks the events and ends the job in one transaction.
    async fn fetch(
        &self,
        cx: &Context,
        kind: ObjectType,
        announced: &[Announced],
    ) -> JobResult {
        let (env, organization) = (&cx.env, cx.organization());
        let stripe = apply::stripe_of(env, organization);
        let scope = Scope { organization, stripe: &stripe };
        let before = objects::get(&env.db, &scope, kind, &self.id).await?;
        let mut fetched = match env.stripe.retrieve(organization, kind, &self.id).await {
            Ok(fetched) => fetched,
            Err(error) => return Err(trouble(env, organization, error).await?),
        };
        welcome(env, organization).await?;
        fetched.raw = fetched.raw.map(|raw| model::kept_text(kind, &raw).into_owned());
        // A row that is dated in the future, because a clock was wrong, says nothing about now.
        let known_until = fetched.until.plus(ANNOUNCED);
        let alive = alive_at(announced, before.as_ref()).filter(|at| *at <= known_until);
        if fetched.raw.is_none() && alive.is_some_and(|at| at.plus(ANNOUNCED) > fetched.as_of) {
            let why = anyhow!("stripe told of the {} a moment ago but does not know it now", kind.as_str());
            return Err(JobError::Retry(why));
        }
        let mut tx = env.db.begin().await?;
        let Some(Done { newer, drifted }) = self.apply(cx, &mut tx, kind, before, &fetched).await? else {
            return Err(JobError::Snooze(ASK_AGAIN));
        };
        events::mark(&mut tx, organization, &ids(announced.iter()), None, env.now()).await?;
        let report = Report::none().with("newer", newer).with("events", announced.len());
        cx.complete_in(&mut tx, &report).await?;
        tx.commit().await?;
        drift::counted(drifted);
        Ok(report)
    }

    /// Writes the answer. `None`: something else was learnt while Stripe was asked and it cannot be told which is newer.
    async fn apply(
        &self,
        cx: &Context,
        tx: &mut Tx,
        kind: ObjectType,
        before: Option<Object>,
        fetched: &Fetched,
    ) -> Result<Option<Done>> {
        let (env, organization) = (&cx.env, cx.organization());
        let stripe = apply::stripe_of(env, organization);
        let scope = Scope { organization, stripe: &stripe };
        let held = objects::lock(tx, &scope, kind, &[&self.id]).await?.into_iter().next();
        let missing = tombstone(kind, &self.id);
        let value = fetched.raw.as_deref().and_then(apply::read).unwrap_or_else(|| missing.clone());
        let old: Option<Value> = held.as_ref().and_then(|held| apply::read(&held.raw));
        let nothing = Done { newer: false, drifted: 0 };
        if old.as_ref().is_some_and(is_buried) {
            return Ok(Some(nothing));
        }
        // What is held was held before Stripe was asked, so the answer is newer, whatever second it names.
        let was_known = held == before;
        let known_until = held.as_ref().map_or(fetched.as_of, Object::until);
        // Unless a clock was wrong, an answer is no older than what was held before the question.
        let misdated = was_known && known_until > fetched.until;
        let dates = match held.as_ref().filter(|_| !misdated) {
            Some(held) => (fetched.as_of.max(held.as_of), fetched.until.max(known_until)),
            None => (fetched.as_of, fetched.until),
        };
        if !was_known && fetched.as_of <= known_until && old.as_ref() != Some(&value) {
            return Ok(None);
        }
        let missing_text = missing.to_string();
        let truth = Truth {
            kind,
            id: &self.id,
            raw: fetched.raw.as_deref().unwrap_or(&missing_text),
            as_of: dates.0,
            until: dates.1,
            deleted: model::is_deleted(&value),
            api_version: fetched.api_version.as_deref(),
        };
        let newer = old.as_ref() != Some(&value);
        if self.run.is_some() && !newer && !misdated {
            return Ok(Some(nothing));
        }
        let write = Write { truth, value: &value, before: old.as_ref(), afresh: true };
        if !apply::write(tx, env, organization, &[write], Unknown::Fetch).await?.is_empty() {
            return Ok(None);
        }
        let Some(run) = self.run.as_ref().filter(|_| newer) else {
            return Ok(Some(Done { newer, drifted: 0 }));
        };
        let found = Found {
            id: &self.id,
            ours: old.as_ref().and_then(living),
            stripes: living(&value),
            as_of: held.as_ref().map(|held| held.as_of),
        };
        let drifted = drift::note(tx, env, organization, run, kind, &[found]).await?;
        Ok(Some(Done { newer, drifted }))
    }
}

/// What came of an answer.
#[derive(Clone, Copy, Debug)]
struct Done {
    /// Whether it was news.
    newer: bool,
    /// Objects that differed and that the end of their reconciliation does not count.
    drifted: u64,
}

fn living(value: &Value) -> Option<&Value> {
    Some(value).filter(|value| !model::is_deleted(value))
}
