//! Events of many objects, applied in one transaction.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    FetchObject,
    apply::{self, Unknown, Write, is_buried},
    model,
    order::{Change, Held, Snapshot, Verdict, compare},
    store::{
        events::{self, Unread},
        objects::{self, Object, Scope, Truth},
    },
};
use crate::kernel::{
    Env, Timestamp,
    db::{Result, Tx},
    outbox::{self, NewJob},
    ports::ObjectType,
};

/// How long after the second of a tie the object is fetched: by then the second is over, so that the answer is newer
/// than all its events, and most of them have come.
const TIE_PAUSE: Duration = Duration::from_secs(2);

/// Type and id of an object.
type Key = (ObjectType, String);

/// What came of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// Events that need nothing more.
    pub(super) settled: u64,
    /// Events that a fetch will settle.
    pub(super) asked: u64,
    /// Events that cannot be applied.
    pub(super) failed: u64,
    /// Objects written.
    pub(super) written: u64,
    /// Fetches sent for.
    pub(super) fetches: u64,
}

impl Done {
    /// Adds what came of others.
    pub(super) const fn add(&mut self, other: &Self) {
        self.settled += other.settled;
        self.asked += other.asked;
        self.failed += other.failed;
        self.written += other.written;
        self.fetches += other.fetches;
    }
}

/// Events by object, in the order in which they are compared.
#[derive(Debug, Default)]
pub(super) struct Batch(BTreeMap<Key, Vec<Entry>>);

/// An event.
#[derive(Debug)]
struct Entry {
    id: String,
    created_at: Timestamp,
    change: Change,
    received_at: Timestamp,
    /// `None` when only a fetch can tell what is true.
    carried: Option<Carried>,
}

/// The object in an event.
#[derive(Debug)]
struct Carried {
    raw: String,
    value: Value,
    previous: Option<Value>,
    api_version: Option<String>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    object: &'a RawValue,
    previous_attributes: Option<Value>,
}

impl Batch {
    /// Reads the events' texts. An event about nothing that is mirrored is left out.
    pub(super) fn read(env: &Env, unread: &[Unread]) -> Self {
        let mut all = Self::default();
        for event in unread {
            let Some((kind, id)) = key(event) else { continue };
            all.0.entry((kind, id.to_owned())).or_default().push(Entry {
                id: event.id.clone(),
                created_at: event.created_at,
                change: Change::of(&event.kind),
                received_at: event.received_at,
                carried: carried(env, event, kind, id),
            });
        }
        for entries in all.0.values_mut() {
            entries.sort_by(|a, b| {
                let order = |entry: &Entry| (entry.created_at, entry.change, entry.received_at);
                order(a).cmp(&order(b)).then_with(|| a.id.cmp(&b.id))
            });
        }
        all
    }

    /// Two halves, or itself when it is about one object.
    pub(super) fn halve(mut self) -> std::result::Result<(Self, Self), Self> {
        let Some(middle) = self.0.keys().nth(self.0.len() / 2).filter(|_| self.0.len() > 1) else {
            return Err(self);
        };
        let other = self.0.split_off(&middle.clone());
        Ok((self, Self(other)))
    }

    /// Type and id of its first object, for the log.
    pub(super) fn subject(&self) -> String {
        self.0.keys().next().map_or_else(String::new, |(kind, id)| format!("{} {id}", kind.as_str()))
    }

    /// Writes on the events why nothing came of them.
    pub(super) async fn give_up(&self, env: &Env, organization: &str, why: &str) -> Result<Done> {
        let ids: Vec<&str> = self.0.values().flatten().map(|entry| entry.id.as_str()).collect();
        let mut tx = env.db.begin().await?;
        events::mark(&mut tx, organization, &ids, Some(why), env.now()).await?;
        tx.commit().await?;
        Ok(Done { failed: count(ids.len()), ..Done::default() })
    }
}

/// The object that an event is about, if objects of its type are mirrored.
pub(super) fn key(event: &Unread) -> Option<(ObjectType, &str)> {
    Some((ObjectType::parse(event.object_type.as_deref()?)?, event.object_id.as_deref()?))
}

/// The object that the event carries. `None` where it would not be what Stripe answers when asked: rendered in another
/// API version, not there at all (thin events, forgotten bodies), or of a test clock, whose time is not Stripe's.
fn carried(env: &Env, event: &Unread, kind: ObjectType, id: &str) -> Option<Carried> {
    if event.api_version.as_deref() != Some(env.stripe.api_version()) {
        return None;
    }
    let body: Body<'_> = serde_json::from_str(event.body.as_deref()?).ok()?;
    let value = apply::read(body.data.object.get())?;
    let told = |field: &str| value.get(field).and_then(Value::as_str);
    // A plan comes with the id of its price, but is not what Stripe answers for it.
    let same = told("id") == Some(id) && told("object") == Some(kind.as_str());
    if !same || value.get("test_clock").is_some_and(|clock| !clock.is_null()) {
        return None;
    }
    let gone = gone(&event.kind, kind, id);
    Some(Carried {
        raw: gone.as_ref().map_or_else(|| body.data.object.get().to_owned(), Value::to_string),
        value: gone.unwrap_or(value),
        previous: body.data.previous_attributes,
        api_version: event.api_version.clone(),
    })
}

/// The tombstone of an object of which the event says that it was deleted. A subscription that was cancelled is none:
/// Stripe goes on answering it. Ids that people choose can come back, those of customers cannot.
fn gone(event: &str, kind: ObjectType, id: &str) -> Option<Value> {
    (event.strip_suffix(".deleted") == Some(kind.as_str())).then(|| match kind {
        ObjectType::Customer => json!({ "id": id, "object": kind.as_str(), "deleted": true }),
        _ => apply::tombstone(kind, id),
    })
}

/// What is to become of one object.
#[derive(Debug)]
struct Decided<'a> {
    key: &'a Key,
    /// The newest of what the events carry, if it is newer than what was held.
    write: Option<(&'a Carried, Timestamp)>,
    held: Option<&'a Value>,
    settled: Vec<&'a str>,
    asked: Vec<&'a str>,
    /// When to fetch it, if there is a doubt.
    fetch_at: Option<Timestamp>,
}

/// Compares, writes and marks, all in one transaction.
pub(super) async fn apply(env: &Env, organization: &str, batch: &Batch) -> Result<Done> {
    let mut tx = env.db.begin().await?;
    let held = hold(&mut tx, env, organization, batch).await?;
    let decided: Vec<_> = batch
        .0
        .iter()
        .map(|(key, entries)| decide(key, entries, held.get(key), env.now()))
        .collect();
    let writes: Vec<Write<'_>> = decided.iter().filter_map(Decided::write).collect();
    let lost = apply::write(&mut tx, env, organization, &writes, Unknown::Fetch).await?;
    let mut done = Done { written: count(writes.len() - lost.len()), ..Done::default() };
    // Those of which another told something meanwhile stay unread, to be compared with that.
    let found = |one: &&Decided<'_>| !lost.contains(&(one.key.0.as_str().to_owned(), one.key.1.clone()));
    let rest: Vec<_> = decided.iter().filter(found).collect();
    let settled: Vec<&str> = rest.iter().flat_map(|one| one.settled.iter().copied()).collect();
    let asked: Vec<&str> = rest.iter().flat_map(|one| one.asked.iter().copied()).collect();
    (done.settled, done.asked) = (count(settled.len()), count(asked.len()));
    events::mark(&mut tx, organization, &settled, None, env.now()).await?;
    events::ask(&mut tx, organization, &asked, env.now()).await?;
    done.fetches = send(&mut tx, env, organization, &rest).await?;
    tx.commit().await?;
    Ok(done)
}

/// Locks and reads what is held of the batch's objects.
async fn hold(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    batch: &Batch,
) -> Result<BTreeMap<Key, (Object, Value)>> {
    let stripe = apply::stripe_of(env, organization);
    let scope = Scope { organization, stripe: &stripe };
    let mut held = BTreeMap::new();
    let kinds: BTreeSet<ObjectType> = batch.0.keys().map(|(kind, _)| *kind).collect();
    for kind in kinds {
        let of_kind = batch.0.keys().filter(|(is, _)| *is == kind);
        let ids: Vec<&str> = of_kind.map(|(_, id)| id.as_str()).collect();
        for object in objects::lock(tx, &scope, kind, &ids).await? {
            let value = apply::read(&object.raw).unwrap_or_default();
            held.insert((kind, object.id.clone()), (object, value));
        }
    }
    Ok(held)
}

fn decide<'a>(
    key: &'a Key,
    entries: &'a [Entry],
    held: Option<&'a (Object, Value)>,
    now: Timestamp,
) -> Decided<'a> {
    let mut decided = Decided {
        key,
        write: None,
        held: held.map(|(_, value)| value),
        settled: Vec::new(),
        asked: Vec::new(),
        fetch_at: None,
    };
    let mut holds = held.map(|(object, value)| Held {
        as_of: object.as_of,
        until: object.until(),
        value,
        buried: is_buried(value),
    });
    for entry in entries {
        let Some(carried) = &entry.carried else {
            decided.ask(entry, now);
            continue;
        };
        let snapshot = Snapshot {
            created_at: entry.created_at,
            change: entry.change,
            value: &carried.value,
            previous: carried.previous.as_ref(),
        };
        let verdict = compare(key.0, holds, &snapshot);
        let over = holds.map_or(entry.created_at, |held| held.until.max(entry.created_at));
        if matches!(verdict, Verdict::Newer | Verdict::LikelyNewer) {
            decided.write = Some((carried, entry.created_at));
            holds = Some(Held {
                as_of: entry.created_at,
                until: entry.created_at,
                value: &carried.value,
                buried: is_buried(&carried.value),
            });
        }
        // By our clock, because Stripe's may be another; a second that is long over needs no pause.
        let after_tie = over.min(now).plus(TIE_PAUSE);
        match verdict {
            Verdict::Newer | Verdict::Known => decided.settled.push(&entry.id),
            Verdict::LikelyNewer => {
                decided.settled.push(&entry.id);
                decided.fetch(after_tie);
            }
            Verdict::LikelyOlder => decided.ask(entry, after_tie),
        }
    }
    decided
}

impl<'a> Decided<'a> {
    /// Leaves the event to a fetch at that time or earlier.
    fn ask(&mut self, entry: &'a Entry, at: Timestamp) {
        self.asked.push(&entry.id);
        self.fetch(at);
    }

    fn fetch(&mut self, at: Timestamp) {
        self.fetch_at = Some(self.fetch_at.map_or(at, |earlier| earlier.min(at)));
    }

    fn write(&self) -> Option<Write<'a>> {
        let (carried, as_of) = self.write?;
        let truth = Truth {
            kind: self.key.0,
            id: &self.key.1,
            raw: &carried.raw,
            as_of,
            until: as_of,
            deleted: model::is_deleted(&carried.value),
            api_version: carried.api_version.as_deref(),
        };
        Some(Write { truth, value: &carried.value, before: self.held, afresh: false })
    }
}

/// Sends for the objects that are left in doubt; answers how many.
async fn send(tx: &mut Tx, env: &Env, organization: &str, all: &[&Decided<'_>]) -> Result<u64> {
    let mut jobs = Vec::new();
    for one in all {
        let Some(at) = one.fetch_at else { continue };
        let (kind, id) = one.key;
        let job = FetchObject::of(*kind, id);
        jobs.push(NewJob::of(organization, &job)?.due(at.max(env.now())));
    }
    let fetches = count(jobs.len());
    outbox::enqueue_many(tx, env, jobs).await?;
    Ok(fetches)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
