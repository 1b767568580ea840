//! Many members at once, out of a file: who is there already stays, or is brought up to it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{
    Outcome, Refused,
    create::{meanwhile, name_creator},
    edit::edit,
    follow,
    record::Record,
};
use crate::{
    kernel::{
        Env,
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
/// address; with `update` she is brought up to the record. A second time, nothing is written.
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
    let nothing = Details::default();
    let mut all: Vec<Details> = records.iter().map(|record| record.edit.apply(&nothing)).collect();
    let mut checks = Vec::with_capacity(all.len());
    for details in &mut all {
        checks.push(match details.check() {
            Ok(()) => name_creator(tx, organization, &nothing, details).await?,
            Err(invalid) => Err(invalid.into()),
        });
    }
    let sound = all.iter().zip(&checks).filter(|(_, check)| check.is_ok()).map(|(details, _)| details);
    let mut known = Known::read(tx, organization, &sound.collect::<Vec<_>>()).await?;
    let mut fates = Vec::with_capacity(records.len());
    let (mut new, mut there) = (Vec::new(), BTreeMap::new());
    for (at, (details, check)) in all.iter().zip(checks).enumerate() {
        let found = check.and_then(|()| known.find(details));
        fates.push(match found {
            Err(refused) => Fate::Refused(refused),
            Ok(Some(id)) => {
                there.entry(id).or_insert_with(Vec::new).push(at);
                Fate::Known
            }
            Ok(None) => {
                let id = env.id("mem");
                known.add(&id, details);
                new.push((at, id));
                Fate::Made
            }
        });
    }
    make(tx, env, organization, records, &all, &new).await?;
    if update {
        // In the order of the members' ids, as everybody locks them.
        for (id, records_of_hers) in there {
            for at in records_of_hers {
                fates[at] = bring_up(tx, env, organization, &id, &records[at].edit).await?;
            }
        }
    }
    Ok(fates)
}

/// Makes the new ones. Each is told as joined.
async fn make(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    records: &[Record],
    all: &[Details],
    new: &[(usize, String)],
) -> Result<()> {
    let now = env.now();
    let joined = |at: usize| records[at].joined_at.unwrap_or(now);
    let rows = new.iter().map(|(at, id)| Written {
        id: id.clone(),
        details: &all[*at],
        joined_at: joined(*at),
    });
    let rows: Vec<_> = rows.collect();
    if store::create(tx, organization, &rows, now).await?.len() < new.len() {
        return Err(meanwhile());
    }
    let (mut keys, mut tags, mut events) = (Vec::new(), Vec::new(), Vec::new());
    for (at, id) in new {
        keys.extend(all[*at].keys.iter().map(|key| (key, id.as_str())));
        tags.extend(all[*at].tags.iter().map(|tag| (tag.as_str(), id.as_str())));
        events.push(Event {
            kind: "audience.member_joined",
            organization_id: organization.to_owned(),
            member_id: Some(id.clone()),
            data: json!({ "joined_at": joined(*at) }),
        });
    }
    store::add_tags(tx, organization, &tags).await?;
    if store::claim_keys(tx, env, organization, &keys).await? < keys.len() {
        return Err(meanwhile());
    }
    emit_many(tx, env, &events).await?;
    follow::fetch(tx, env, organization, keys.into_iter().map(|(key, _)| key)).await
}

/// Brings a member up to a record. What the record does not name stays, and no key is taken away.
async fn bring_up(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    id: &str,
    record: &Edit,
) -> Result<Fate> {
    let mut wanted = record.clone();
    if let (Some(keys), Some((_, before))) =
        (&mut wanted.keys, store::details_in(tx, organization, id).await?)
    {
        keys.extend(before.keys);
    }
    Ok(match edit(tx, env, organization, id, None, &wanted).await? {
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

    /// Whoever comes later in the file finds her.
    fn add(&mut self, id: &str, details: &Details) {
        for key in &details.keys {
            self.by_key.insert(key.clone(), id.to_owned());
            self.providers.insert((id.to_owned(), key.provider.clone()));
        }
        self.by_email.extend(details.normalized_email().map(|email| (email, id.to_owned())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{both, creators, kernel::db};

    fn record(email: &str, keys: &[&str]) -> Record {
        let key = |id: &&str| Key { provider: "old".to_owned(), external_id: (*id).to_owned() };
        let edit = Edit {
            email: Some(email.to_owned()),
            keys: Some(keys.iter().map(key).collect()),
            tags: Some(["old".to_owned()].into()),
            ..Edit::default()
        };
        Record { edit, ..Record::default() }
    }

    async fn all(env: &Env, records: &[Record], update: bool) -> db::Result<Vec<Fate>> {
        let mut tx = env.db.begin().await?;
        let fates = import(&mut tx, env, "default", records, update).await?;
        tx.commit().await?;
        Ok(fates)
    }

    both! {
        async fn a_record_that_names_two_members_is_refused_and_nobody_is_merged(db: TestDb) {
            let two = [record("a@example.com", &["1"]), record("b@example.com", &["2"])];
            assert_eq!(all(&db, &two, true).await.unwrap(), [Fate::Made, Fate::Made]);
            let both = [record("c@example.com", &["1", "2"]), record("b@example.com", &["1"])];
            let fates = all(&db, &both, true).await.unwrap();
            assert!(matches!(&fates[0], Fate::Refused(Refused::KeyTaken { .. })), "{fates:?}");
            assert!(matches!(&fates[1], Fate::Refused(Refused::EmailTaken(_))), "{fates:?}");
            // Known by the key, she takes the address of the record; refused, nothing of a record is written.
            let moved = [record("z@example.com", &["1", "3"]), record("y@example.com", &["4", "b d"])];
            assert_eq!(all(&db, &moved, true).await.unwrap()[0], Fate::Changed);
            let wrong = [Record { edit: Edit { tags: Some([String::new()].into()), ..moved[0].edit.clone() }, ..Record::default() }];
            assert!(matches!(all(&db, &wrong, true).await.unwrap()[0], Fate::Refused(Refused::Invalid(_))));
            assert_eq!(db.count("members WHERE email_normalized = 'z@example.com'").await, 1);
            assert_eq!(db.count("members").await, 3);
        }

        async fn records_name_creators_by_either_id(db: TestDb) {
            let mut tx = db.db.begin().await.unwrap();
            let new = creators::New { name: "Ann", external_id: Some("ann") };
            let ann = creators::create(&mut tx, &db, "default", new).await.unwrap().unwrap();
            tx.commit().await.unwrap();
            let of = |email: &str, creator: &str| {
                let mut record = record(email, &[]);
                record.edit.creator = Some(Some(creator.to_owned()));
                record
            };
            let two = [of("a@example.com", "ann"), of("b@example.com", &ann.id), of("c@example.com", "bea")];
            for made in [Fate::Made, Fate::Known] {
                let fates = all(&db, &two, true).await.unwrap();
                assert_eq!(fates[..2], [made.clone(), made]);
                assert_eq!(fates[2], Fate::Refused(Refused::Creator(creators::Refused::NoCreator)));
            }
            assert_eq!(db.count("members WHERE creator_id IS NOT NULL").await, 2);
        }

        async fn two_imports_of_one_file_at_once_make_everybody_once(db: TestDb) {
            let people: Vec<Record> = (0..40).map(|n| record(&format!("{n}@example.com"), &[n.to_string().as_str()][..n % 2])).collect();
            let tracker = tokio_util::task::TaskTracker::new();
            let mut runs = Vec::new();
            for turn in 0..4 {
                let (node, mut people) = (db.node().await, people.clone());
                people.rotate_left(turn * 10);
                runs.push(tracker.spawn(async move {
                    loop {
                        match all(&node, &people, false).await {
                            Err(db::Error::Conflict(_) | db::Error::Busy(_)) => {}
                            fates => break fates.unwrap(),
                        }
                    }
                }));
            }
            let mut made = 0;
            for run in runs {
                made += run.await.unwrap().iter().filter(|fate| **fate == Fate::Made).count();
            }
            assert_eq!((made, db.count("members").await, db.count("member_keys").await), (40, 40, 20));
            assert_eq!((db.count("events").await, db.count("member_tags").await), (40, 40));
        }
    }
}
