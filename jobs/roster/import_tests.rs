//! Imports on both databases.

use proptest::{
    collection::vec,
    sample::subsequence,
    strategy::{Strategy as _, ValueTree as _},
    test_runner::TestRunner,
};

use super::{Fate, Refused, import, record::Record};
use crate::{
    access::ensure_organization,
    args, both, creators,
    kernel::{Env, db::{self, Sql, Tx}},
    members::{Edit, Key, KeysEdit},
    testing::TestDb,
};

/// Files that are imported whole and in parts.
const FILES: usize = 24;

fn record(email: &str, keys: &[&str]) -> Record {
    let key = |id: &&str| Key { provider: "old".to_owned(), external_id: (*id).to_owned() };
    let edit = Edit {
        email: Some(Some(email.to_owned())),
        keys: KeysEdit::Add(keys.iter().map(key).collect()),
        tags: Some(["old".to_owned()].into()),
        ..Edit::default()
    };
    Record { edit, ..Record::default() }
}

async fn all(env: &Env, records: &[Record], update: bool) -> db::Result<Vec<Fate>> {
    all_of(env, "default", records, update).await
}

async fn all_of(env: &Env, organization: &str, records: &[Record], update: bool) -> db::Result<Vec<Fate>> {
    let mut tx = env.db.begin().await?;
    let fates = import(&mut tx, env, organization, records, update).await?;
    tx.commit().await?;
    Ok(fates)
}

/// A new organization, what imports of parts of this size make of a file there, and whom there is then.
async fn in_parts(db: &TestDb, id: &str, file: &[Record], update: bool, size: usize) -> (Vec<&'static str>, Vec<(String, String)>) {
    let mut tx = db.env.db.begin().await.unwrap();
    ensure_organization(&mut tx, id, id, db.now()).await.unwrap();
    tx.commit().await.unwrap();
    // Two are there before.
    all_of(db, id, &[record("a@example.com", &[]), record("b@example.com", &["1"])], true).await.unwrap();
    let mut fates = Vec::new();
    for part in file.chunks(size) {
        fates.extend(all_of(db, id, part, update).await.unwrap());
    }
    let word = |fate| match fate {
        Fate::Made => "made",
        Fate::Changed => "changed",
        Fate::Known => "known",
        Fate::Refused(why) => why.field(),
    };
    let people = Sql::both(
        "SELECT m.email_normalized, coalesce((SELECT string_agg(o.external_id, ' ' ORDER BY o.external_id)
            FROM member_keys AS o WHERE o.member_id = m.id), '')
         FROM members AS m WHERE m.organization_id = $1 ORDER BY m.email_normalized",
    );
    (fates.into_iter().map(word).collect(), db.rows(people, args![id]).await)
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

    async fn two_people_with_one_address_are_two_whatever_the_batch(db: TestDb) {
        let before = [record("a@example.com", &[])];
        assert_eq!(all(&db, &before, true).await.unwrap(), [Fate::Made]);
        let both = [record("a@example.com", &["1"]), record("a@example.com", &["2"])];
        let fates = all(&db, &both, true).await.unwrap();
        assert!(matches!(fates[..], [Fate::Changed, Fate::Refused(Refused::EmailTaken(_))]), "{fates:?}");
    }

    async fn one_file_gives_the_same_in_one_batch_as_line_by_line(db: TestDb) {
        let emails = proptest::sample::select(vec!["a@example.com", "b@example.com", "c@example.com"]);
        let lines = vec((emails, subsequence(vec!["1", "2", "3"], 0..=2)), 1..=6);
        let files = (lines, proptest::bool::ANY);
        let mut runner = TestRunner::deterministic();
        for n in 0..FILES {
            let (file, update) = files.new_tree(&mut runner).unwrap().current();
            let records: Vec<_> = file.iter().map(|(email, keys)| record(email, keys)).collect();
            let whole = in_parts(&db, &format!("whole{n}"), &records, update, records.len()).await;
            let lines = in_parts(&db, &format!("lines{n}"), &records, update, 1).await;
            assert_eq!(whole, lines, "{update} {file:?}");
        }
    }

    async fn records_name_creators_by_either_id(db: TestDb) {
        let mut tx = db.db.begin().await.unwrap();
        let new = creators::New { name: "Ann", external_id: Some("ann"), time_zone: None };
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
        // Once she takes nobody new, a second time still nothing is written.
        let mut tx = db.db.begin().await.unwrap();
        let archive = creators::Edit { archived: Some(true), ..creators::Edit::default() };
        creators::edit(&mut tx, &db, "default", "ann", &archive).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        let again = [two[0].clone(), of("d@example.com", "ann")];
        for update in [true, false] {
            let fates = all(&db, &again, update).await.unwrap();
            let refused = Fate::Refused(Refused::Creator(creators::Refused::Archived(ann.id.clone())));
            assert_eq!(fates, [Fate::Known, refused], "{update}");
        }
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

/// Each changes the address of two members, the other way round. SQLite has one writer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn imports_that_change_the_same_members_wait_for_each_other() {
    let db = TestDb::postgres().await;
    all(&db, &[record("a@example.com", &["1"]), record("b@example.com", &["2"])], true).await.unwrap();
    let change = async |tx: &mut Tx, env: &Env, email: &str, key: &str| {
        let fates = import(tx, env, "default", &[record(email, &[key])], true).await.unwrap();
        assert_eq!(fates, [Fate::Changed]);
    };
    let (one, other) = (db.node().await, db.node().await);
    let mut tx = one.db.begin().await.unwrap();
    change(&mut tx, &one, "a1@example.com", "1").await;
    let tracker = tokio_util::task::TaskTracker::new();
    let second = tracker.spawn(async move {
        let mut tx = other.db.begin().await.unwrap();
        for (email, key) in [("b2@example.com", "2"), ("a2@example.com", "1")] {
            let fates = import(&mut tx, &other, "default", &[record(email, &[key])], true).await.unwrap();
            assert_eq!(fates, [Fate::Changed]);
        }
        tx.commit().await.unwrap();
    });
    db.until_one_waits().await;
    change(&mut tx, &one, "b1@example.com", "2").await;
    tx.commit().await.unwrap();
    second.await.unwrap();
    assert_eq!(db.count("members WHERE email IN ('a2@example.com', 'b2@example.com')").await, 2);
}
