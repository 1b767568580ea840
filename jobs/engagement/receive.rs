//! Taking interactions in: each once, by its source and the source's id for it, with the local day on which it counts.

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;

use super::{
    CountInteractions,
    model::local_day,
    store::{
        audiences::{self, Audience},
        intake::{self, New},
        versions,
    },
};
use crate::{
    kernel::{
        Env, Timestamp,
        db::{Result, Tx},
        outbox::{self, NewJob},
    },
    members::store as members,
};

/// Interactions of one request.
pub const ITEMS_MAX: usize = 1_000;
/// Characters of a source's name.
pub const SOURCE_CHARS_MAX: usize = 64;
/// Characters of an interaction's id.
pub const ID_CHARS_MAX: usize = 255;
/// Longest interaction, in seconds: a day.
pub const SECONDS_MAX: i64 = 24 * 60 * 60;
/// Bytes of an interaction's details as JSON.
pub const DETAILS_BYTES_MAX: usize = 2_048;
/// The source of interactions that name none.
pub const DEFAULT_SOURCE: &str = "api";

/// How far ahead of ours the clock of a source may be, in milliseconds. What is ahead by less happens now.
const AHEAD_MAX: i64 = 5 * 60 * 1000;
/// Milliseconds of a day.
const DAY: i64 = 24 * 60 * 60 * 1000;

/// An interaction as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Who tells of it.
    pub source: String,
    /// Its id there.
    pub id: String,
    /// `mem_…` or `ext:<provider>:<id>`
    pub member: String,
    /// The kind's name.
    pub kind: String,
    /// When it happened; `None`: now.
    pub occurred_at: Option<Timestamp>,
    /// How long it lasted.
    pub seconds: i64,
    /// JSON, for the timeline. Never an address.
    pub details: Option<String>,
    /// Whether it is taken back.
    pub removed: bool,
}

/// Why an interaction is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its place in the request.
    pub index: usize,
    /// The field that it is about.
    pub field: &'static str,
    /// What is wrong, with the value and what to do.
    pub why: String,
}

/// What became of interactions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// New ones.
    pub accepted: usize,
    /// Those that were known, or were taken back before.
    pub duplicates: usize,
    /// Those that were taken back now. Of one that is not known it is noted, so that it never counts.
    pub removed: usize,
    /// Those that were not taken.
    pub refused: Vec<Refusal>,
}

/// An item with everything that was looked up for it.
struct Sound<'a> {
    item: &'a Item,
    member: String,
    kind: i64,
    occurred_at: Timestamp,
    creator: String,
}

/// Takes interactions in, together with the job that counts them. If one is refused, nothing is written unless `partial`; the
/// places of `items` are those in the request. `creator`: the one to whose members the caller is narrowed.
///
/// # Errors
/// When the database is busy with the same interactions: tried again, they are known.
pub async fn receive(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    creator: Option<&str>,
    items: &[(usize, Item)],
    partial: bool,
) -> Result<Received> {
    let known = Known::read(tx, env, organization, creator, items).await?;
    let mut refused = Vec::new();
    let mut sound = Vec::with_capacity(items.len());
    for (index, item) in items {
        match known.check(env, item) {
            Ok(one) => sound.push(one),
            Err((field, why)) => refused.push(Refusal { index: *index, field, why }),
        }
    }
    if !refused.is_empty() && !partial {
        return Ok(Received { refused, ..Received::default() });
    }
    let received = write(tx, env, organization, &sound).await?;
    if received.accepted + received.removed > 0 {
        outbox::enqueue(tx, env, NewJob::of(organization, &CountInteractions {})?).await?;
    }
    Ok(Received { refused, ..received })
}

/// What is known of what the items name.
struct Known {
    /// By the words that name them: id and creator.
    members: BTreeMap<String, (String, String)>,
    kinds: BTreeMap<String, i64>,
    /// Whose the interactions are that are to be taken back, by source and id.
    owners: BTreeMap<(String, String), String>,
}

impl Known {
    async fn read(
        tx: &mut Tx,
        env: &Env,
        organization: &str,
        creator: Option<&str>,
        items: &[(usize, Item)],
    ) -> Result<Self> {
        let words: BTreeSet<&str> = items.iter().map(|(_, item)| item.member.as_str()).collect();
        let mut ids: BTreeMap<&str, String> = BTreeMap::new();
        let mut foreign: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
        for word in words {
            match word.strip_prefix("ext:").and_then(|rest| rest.split_once(':')) {
                Some((provider, id)) => foreign.entry(provider).or_default().push((id, word)),
                None => {
                    ids.insert(word, word.to_owned());
                }
            }
        }
        for (provider, keys) in foreign {
            let external: Vec<&str> = keys.iter().map(|(id, _)| *id).collect();
            let found = members::by_keys(tx, organization, provider, &external).await?;
            ids.extend(keys.iter().filter_map(|(id, word)| Some((*word, found.get(*id)?.clone()))));
        }
        let wanted: Vec<&str> = ids.values().map(String::as_str).collect();
        let rows = intake::members(tx, organization, &wanted).await?;
        let is_seen = |row: &intake::Member| creator.is_none_or(|creator| row.creator_id == creator);
        let rows = rows.into_iter().filter(|row| row.living && is_seen(row));
        let rows: BTreeMap<String, String> = rows.map(|row| (row.id, row.creator_id)).collect();
        let members = ids
            .into_iter()
            .filter_map(|(word, id)| Some((word.to_owned(), (id.clone(), rows.get(&id)?.clone()))));
        let members = members.collect();
        let names: Vec<&str> = env.settings.scoring.kinds.iter().map(|it| it.id.as_str()).collect();
        let kinds = versions::number_kinds(tx, &names).await?;
        let mut owners = BTreeMap::new();
        for (source, ids) in by_source(items.iter().map(|(_, item)| item).filter(|item| item.removed)) {
            for (id, owner) in intake::owners(tx, organization, source, &ids).await? {
                owners.insert((source.to_owned(), id), owner);
            }
        }
        Ok(Self { members, kinds, owners })
    }

    /// What is needed to store an item, or which field is wrong and why.
    fn check<'a>(&self, env: &Env, item: &'a Item) -> std::result::Result<Sound<'a>, (&'static str, String)> {
        let configured = env.settings.scoring.kinds.iter().any(|kind| kind.id == item.kind);
        let kind = self.kinds.get(&item.kind).filter(|_| configured).copied().ok_or_else(|| {
            let known: Vec<&str> = env.settings.scoring.kinds.iter().map(|kind| kind.id.as_str()).collect();
            let why = format!("`{}` is no kind of interactions: give one of {}, or configure it", item.kind, known.join(", "));
            ("kind", why)
        })?;
        let (member, creator) = self.members.get(&item.member).cloned().ok_or_else(|| {
            let why = format!("there is no member {}: give the id of one who is not deleted", item.member);
            ("member_id", why)
        })?;
        let owner = self.owners.get(&(item.source.clone(), item.id.clone()));
        if owner.is_some_and(|owner| *owner != member) {
            return Err(("member_id", format!("the interaction {} is not this member's: name her whose it is", item.id)));
        }
        let now = env.now();
        let at = item.occurred_at.unwrap_or(now);
        if at.0 > now.0 + AHEAD_MAX {
            return Err(("occurred_at", format!("{at} is in the future: send what has happened, with the time at which it did")));
        }
        let late = env.settings.late_days;
        if at.0 < now.0 - late * DAY {
            return Err(("occurred_at", format!("{at} is more than {late} days ago: leave it out, or raise engagement.late_days")));
        }
        Ok(Sound { item, member, kind, occurred_at: at.min(now), creator })
    }
}

/// The ids of some items by their sources.
fn by_source<'a>(items: impl Iterator<Item = &'a Item>) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut ids: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for item in items {
        ids.entry(&item.source).or_default().push(&item.id);
    }
    ids
}

async fn write(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    sound: &[Sound<'_>],
) -> Result<Received> {
    let zone = |audience: &Audience| audience.zone(env, organization);
    let creators: BTreeSet<&str> = sound.iter().map(|one| one.creator.as_str()).collect();
    let creators: Vec<&str> = creators.into_iter().collect();
    let audiences = audiences::of_creators(tx, organization, &creators).await?;
    let zones: BTreeMap<&str, (i64, Tz)> =
        audiences.values().map(|it| (it.creator_id.as_str(), (it.audience_no, zone(it)))).collect();
    // Each once, the first of several, and in the order of their ids, so that two requests never wait for each other.
    let mut first: BTreeMap<(&str, &str), New<'_>> = BTreeMap::new();
    for one in sound {
        let Some((audience_no, zone)) = zones.get(one.creator.as_str()).copied() else { continue };
        let item = one.item;
        first.entry((&item.source, &item.id)).or_insert_with(|| New {
            source: &item.source,
            external_id: &item.id,
            member_id: &one.member,
            kind: one.kind,
            day: local_day(zone, one.occurred_at),
            audience_no,
            occurred_at: one.occurred_at,
            seconds: item.seconds,
            details: item.details.as_deref(),
            removed: item.removed,
        });
    }
    let now = env.now();
    let rows: Vec<New<'_>> = first.into_values().collect();
    let new = intake::insert(tx, organization, &rows, now).await?;
    let is_new = |row: &&New<'_>| new.contains(&(row.source.to_owned(), row.external_id.to_owned()));
    let (gone, told): (Vec<&New<'_>>, Vec<&New<'_>>) = rows.iter().filter(is_new).partition(|row| row.removed);
    let mut inbox: Vec<_> = told
        .iter()
        .map(|it| (it.member_id, it.audience_no, it.day, it.kind, 1, it.seconds, it.occurred_at))
        .collect();
    let mut taken = Vec::new();
    for (source, ids) in by_source(sound.iter().map(|one| one.item).filter(|item| item.removed)) {
        taken.extend(intake::take_back(tx, organization, source, &ids, now).await?);
    }
    inbox.extend(taken.iter().map(|it| {
        (it.member_id.as_str(), it.audience_no, it.day, it.kind, -1, -it.seconds, it.occurred_at)
    }));
    intake::put_inbox(tx, organization, &inbox).await?;
    let (accepted, removed) = (told.len(), gone.len() + taken.len());
    Ok(Received { accepted, removed, duplicates: sound.len() - accepted - removed, refused: Vec::new() })
}
