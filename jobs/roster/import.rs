//! Many members at once, out of a file: who is there already stays, or is brought up to it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{
    Outcome, Refused,
    create::{meanwhile, name_creator},
    edit::{Whom, apply},
    follow::Following,
    record::Record,
};
use crate::{
    access,
    engagement,
    kernel::{
        Env, Timestamp,
        db::{Result, Tx},
        events::{Event, emit_many},
    },
    members::{
        Details, Edit, Key,
        store::{self, Written},
    },
};

/// What became of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A new member.
    Made,
    /// A member who was there was brought up to it.
    Changed,
    /// The member was there, and stays as she is.
    Known,
    /// Nothing was written for it.
    Refused(Refused),
}

/// Writes the members of some records; answers what became of each. A member is known by her foreign keys, else by her
/// address; with `update` she is brought up to the record. A second time, nothing is written. It makes no difference
/// which records come in one call: those that may be about one member are written one after the other.
///
/// Imports of an organization wait for each other, batch by batch. Locks are taken in one order: the organization, the members who
/// are there by their ids, what is written, and at last the jobs that follow.
///
/// # Errors
/// A conflict, or a database that is busy, when others write the same members meanwhile: tried again, they are seen.
pub async fn import(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    records: &[Record],
    update: bool,
) -> Result<Vec<Fate>> {
    // Before any member, as everybody does who writes scores.
    if update && records.iter().any(|record| record.edit.creator.is_some()) {
        engagement::lock(tx, organization).await?;
    }
    let nothing = Details::default();
    let all: Vec<Details> = records.iter().map(|record| record.edit.apply(&nothing)).collect();
    let checks: Vec<Outcome<()>> = all.iter().map(|details| details.check().map_err(Refused::from)).collect();
    // Two imports would wait for each other's addresses, keys and members.
    access::lock_organization(tx, organization).await?;
    if update {
        let known = Known::read(tx, organization, &sound(&all, &checks)).await?;
        let there: BTreeSet<&str> = known.by_key.values().chain(known.by_email.values()).map(String::as_str).collect();
        store::lock_many(tx, organization, &there.into_iter().collect::<Vec<_>>()).await?;
    }
    let (mut fates, mut following) = (Vec::with_capacity(records.len()), Following::default());
    while fates.len() < records.len() {
        let done = fates.len();
        let rest = Rest { records: &records[done..], all: &all[done..], checks: &checks[done..] };
        fates.extend(strangers(tx, env, organization, rest, update, &mut following).await?);
    }
    following.enqueue(tx, env, organization).await?;
    Ok(fates)
}

/// What the records say that may be written.
fn sound<'a>(all: &'a [Details], checks: &[Outcome<()>]) -> Vec<&'a Details> {
    all.iter().zip(checks).filter(|(_, check)| check.is_ok()).map(|(details, _)| details).collect()
}

/// Records that are still to be written, what they say, and whether they may be.
#[derive(Clone, Copy)]
struct Rest<'a> {
    records: &'a [Record],
    all: &'a [Details],
    checks: &'a [Outcome<()>],
}

/// Writes as many of the first records as are certainly of different members.
async fn strangers(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    Rest { records, all, checks }: Rest<'_>,
    update: bool,
    following: &mut Following,
) -> Result<Vec<Fate>> {
    let known = Known::read(tx, organization, &sound(all, checks)).await?;
    let mut fates = Vec::with_capacity(records.len());
    let (mut new, mut there, mut met) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
    for (at, (details, check)) in all.iter().zip(checks).enumerate() {
        let marks = if check.is_ok() { known.marks(details) } else { BTreeSet::new() };
        if !met.is_disjoint(&marks) {
            break;
        }
        met.extend(marks);
        let found = check.clone().and_then(|()| known.find(details));
        fates.push(match found {
            Err(refused) => Fate::Refused(refused),
            Ok(Some(id)) => {
                there.insert(id, at);
                Fate::Known
            }
            Ok(None) => {
                let mut details = details.clone();
                let named = name_creator(tx, organization, &Details::default(), &mut details).await?;
                named.map_or_else(Fate::Refused, |()| {
                    let joined_at = records[at].joined_at.unwrap_or(env.now());
                    new.push(New { id: env.id("mem"), details, joined_at });
                    Fate::Made
                })
            }
        });
    }
    make(tx, env, organization, &new).await?;
    following.moved(new.iter().flat_map(|one| &one.details.keys));
    if update {
        for (id, at) in there {
            fates[at] = bring_up(tx, env, organization, &id, &records[at].edit, following).await?;
        }
    }
    Ok(fates)
}

/// Somebody who is not there yet.
struct New {
    id: String,
    details: Details,
    joined_at: Timestamp,
}

/// Makes the new ones. Each is told as joined.
async fn make(tx: &mut Tx, env: &Env, organization: &str, new: &[New]) -> Result<()> {
    let rows = new.iter().map(|one| Written {
        id: one.id.clone(),
        details: &one.details,
        joined_at: one.joined_at,
    });
    let rows: Vec<_> = rows.collect();
    if store::create(tx, organization, &rows, env.now()).await?.len() < new.len() {
        return Err(meanwhile());
    }
    let (mut keys, mut tags, mut events) = (Vec::new(), Vec::new(), Vec::new());
    for New { id, details, joined_at } in new {
        keys.extend(details.keys.iter().map(|key| (key, id.as_str())));
        tags.extend(details.tags.iter().map(|tag| (tag.as_str(), id.as_str())));
        events.push(Event {
            kind: "audience.member_joined",
            organization_id: organization.to_owned(),
            member_id: Some(id.clone()),
            data: json!({ "joined_at": joined_at }),
        });
    }
    store::add_tags(tx, organization, &tags).await?;
    if store::claim_keys(tx, env, organization, &keys).await? < keys.len() {
        return Err(meanwhile());
    }
    emit_many(tx, env, &events).await?;
    Ok(())
}

/// Brings a member up to a record. What the record does not name stays.
async fn bring_up(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    id: &str,
    record: &Edit,
    following: &mut Following,
) -> Result<Fate> {
    Ok(match apply(tx, env, organization, (Whom::is(id), record), following).await? {
        Ok(true) => Fate::Changed,
        Ok(false) => Fate::Known,
        Err(refused) => Fate::Refused(refused),
    })
}

/// Who has the addresses and keys of some records.
struct Known {
    by_key: BTreeMap<Key, String>,
    by_email: BTreeMap<String, String>,
    /// Members with keys, by whose keys they are: one of them knows her by another than the record says.
    providers: BTreeSet<(String, String)>,
}

impl Known {
    async fn read(tx: &mut Tx, organization: &str, all: &[&Details]) -> Result<Self> {
        let keys: BTreeSet<&Key> = all.iter().flat_map(|details| &details.keys).collect();
        let emails: BTreeSet<String> =
            all.iter().filter_map(|details| details.normalized_email()).collect();
        let emails: Vec<String> = emails.into_iter().collect();
        let by_email = store::by_emails(tx, organization, &emails).await?;
        let ids: Vec<&str> = by_email.values().map(|(id, _)| id.as_str()).collect();
        let of_them = store::keys_in(tx, organization, &ids).await?;
        Ok(Self {
            providers: of_them.into_iter().map(|key| (key.member_id, key.provider)).collect(),
            by_key: store::holders(tx, organization, keys).await?,
            by_email: by_email.into_iter().map(|(email, (id, _))| (email, id)).collect(),
        })
    }

    /// The member of a record, if she is there.
    fn find(&self, details: &Details) -> Outcome<Option<String>> {
        let mut holders = details.keys.iter().filter_map(|key| Some((key, self.by_key.get(key)?)));
        let by_email = details.normalized_email().and_then(|email| self.by_email.get(&email));
        let Some((_, hers)) = holders.next() else {
            // Addresses change hands; whoever has another key of the same system is somebody else.
            let is_other = |id: &&String| {
                details.keys.iter().any(|key| self.providers.contains(&((*id).clone(), key.provider.clone())))
            };
            return match by_email.filter(is_other) {
                Some(other) => Err(Refused::EmailTaken(other.clone())),
                None => Ok(by_email.cloned()),
            };
        };
        if let Some((key, other)) = holders.find(|(_, other)| *other != hers) {
            return Err(Refused::KeyTaken { key: key.clone(), member: other.clone() });
        }
        match by_email.filter(|other| *other != hers) {
            Some(other) => Err(Refused::EmailTaken(other.clone())),
            None => Ok(Some(hers.clone())),
        }
    }

    /// What a record names, and whom. Another record with one of them may be about the same member.
    fn marks<'a>(&'a self, details: &'a Details) -> BTreeSet<Mark<'a>> {
        let email = details.normalized_email();
        let by_email = email.as_ref().and_then(|email| self.by_email.get(email));
        let members = details.keys.iter().filter_map(|key| self.by_key.get(key)).chain(by_email);
        let members = members.map(|id| Mark::Member(id));
        details.keys.iter().map(Mark::Key).chain(members).chain(email.map(Mark::Email)).collect()
    }
}

/// What two records of one member may have in common.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Mark<'a> {
    Key(&'a Key),
    Email(String),
    Member(&'a str),
}
