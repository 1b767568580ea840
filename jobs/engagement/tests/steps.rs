//! Single steps on both databases.

use std::time::Duration;

use serde_json::{Value, json};

use super::world::{World, registry};
use crate::{
    args, both,
    engagement::{
        CountInteractions, Item, RebuildScores, Refusal, count::Versions,
        count_interactions::{Counted, batches, begin, one},
        rebuild, receive,
        store::{count, versions as states},
        verify,
    },
    kernel::{
        Timestamp,
        db::Sql,
        outbox::NewJob,
        scoring::Level,
    },
    testing::TestDb,
};

const DAY: Duration = Duration::from_hours(24);
const TOLD: Sql = Sql::both(
    "SELECT data FROM events WHERE type = 'audience.engagement_level_changed' ORDER BY sequence",
);
const SCORES: Sql = Sql::both("SELECT sum_3, score, level, level_before, day FROM member_scores ORDER BY member_no");

/// So many views of a member, all now.
fn views(world: &World, member: usize, name: &str, n: usize) -> Vec<Item> {
    let now = world.db.now();
    (0..n).map(|at| world.item(member, &format!("{name}-{at}"), "content_view", now)).collect()
}

async fn told(db: &TestDb) -> Vec<Value> {
    let rows: Vec<(String,)> = db.rows(TOLD, &[]).await;
    rows.iter().map(|row| serde_json::from_str(&row.0).unwrap()).collect()
}

async fn refused(db: &TestDb, creator: Option<&str>, items: Vec<Item>, partial: bool) -> (usize, Vec<Refusal>) {
    let items: Vec<_> = items.into_iter().enumerate().collect();
    let mut tx = db.db.begin().await.unwrap();
    let received = receive(&mut tx, db, "default", creator, &items, partial).await.unwrap();
    tx.commit().await.unwrap();
    (received.accepted, received.refused)
}

both! {
    async fn an_interaction_counts_once_and_not_when_it_is_taken_back(db: TestDb) {
        let mut world = World::new(db).await;
        let item = world.item(0, "1", "comment", world.db.now());
        let gone = Item { removed: true, ..item.clone() };
        let early = Item { removed: true, ..world.item(1, "2", "comment", world.db.now()) };
        let received = world.tell(&[item.clone(), item.clone(), early.clone()]).await;
        assert_eq!((received.accepted, received.duplicates, received.removed), (1, 1, 1));
        // What was taken back before it was told never counts.
        let received = world.tell(&[item, Item { removed: false, ..early }]).await;
        assert_eq!((received.accepted, received.duplicates, received.removed), (0, 2, 0));
        world.settle().await;
        assert_eq!(world.check().await.len(), 1);
        let received = world.tell(&[gone.clone(), gone.clone()]).await;
        assert_eq!((received.accepted, received.duplicates, received.removed), (0, 1, 1));
        assert_eq!(world.tell(&[gone]).await.duplicates, 1);
        world.settle().await;
        let all = world.check().await;
        assert_eq!(all.values().map(|(_, stand)| stand.0.iter().sum::<i64>()).sum::<i64>(), 0);
        assert_eq!(world.db.count("audience_activity WHERE n <> 0").await, 0);
    }

    async fn what_cannot_be_taken_is_told_by_its_place_and_the_rest_only_if_asked(db: TestDb) {
        let world = World::new(db).await;
        let (db, now) = (&world.db, world.db.now());
        let good = |id: &str| world.item(0, id, "share", now);
        let items = vec![
            good("1"),
            Item { kind: "tip".to_owned(), ..good("2") },
            Item { member: "mem_none".to_owned(), ..good("3") },
            Item { member: "ext:crm:7".to_owned(), ..good("4") },
            Item { occurred_at: Some(now.plus(Duration::from_mins(6))), ..good("5") },
            Item { occurred_at: Some(now.minus(401 * DAY)), ..good("6") },
            Item { occurred_at: Some(now.plus(Duration::from_mins(4))), ..good("7") },
            Item { occurred_at: Some(now.minus(399 * DAY)), ..good("8") },
        ];
        let (accepted, none) = refused(db, None, items.clone(), false).await;
        assert_eq!((accepted, db.count("interactions").await, db.count("jobs").await), (0, 0, 0));
        let places: Vec<_> = none.iter().map(|one| (one.index, one.field)).collect();
        let wanted = [(1, "kind"), (2, "member_id"), (3, "member_id"), (4, "occurred_at"), (5, "occurred_at")];
        assert_eq!(places, wanted);
        assert!(none[0].why.contains("`tip`") && none[0].why.contains("content_view"), "{none:?}");
        let (accepted, some) = refused(db, None, items, true).await;
        assert_eq!((accepted, some, db.count("interaction_inbox").await), (3, none, 3));
        // What is a little ahead happens now.
        assert_eq!(db.count(&format!("interactions WHERE occurred_at > {}", now.0)).await, 0);
        let stranger = Item { removed: true, ..world.item(1, "1", "share", now) };
        assert_eq!(refused(db, None, vec![stranger], false).await.1[0].field, "member_id");
        let deleted = Sql::both("UPDATE members SET deleted_at = 1 WHERE id = $1");
        db.execute(deleted, args![world.id(0)]).await;
        assert_eq!(refused(db, None, vec![good("9")], false).await.1[0].field, "member_id");
    }

    async fn a_narrowed_caller_tells_of_its_creators_members_only(db: TestDb) {
        let world = World::new(db).await;
        let now = world.db.now();
        let (creator,): (String,) = world.db.rows(Sql::both("SELECT creator_id FROM members WHERE id = 'mem_01'"), &[]).await.remove(0);
        let items = (0..3).map(|at| world.item(at, &at.to_string(), "share", now)).collect();
        let (accepted, refused) = refused(&world.db, Some(&creator), items, true).await;
        assert_eq!((accepted, refused.iter().map(|one| one.index).collect::<Vec<_>>()), (1, vec![0, 2]));
    }

    async fn a_day_is_the_creators_own(db: TestDb) {
        let mut world = World::new(db).await;
        // 2026-01-15T15:30Z is the 16th in Tokyo; 2026-01-16T02:00Z is the 15th in Los Angeles.
        world.db.advance(Duration::from_hours(16));
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let items = [
            world.item(0, "0", "share", at("2026-01-15T15:30:00Z")),
            world.item(1, "1", "share", at("2026-01-15T15:30:00Z")),
            world.item(2, "2", "share", at("2026-01-16T02:00:00Z")),
        ];
        world.tell(&items).await;
        let days: Vec<(i64,)> = world.db.rows(Sql::both("SELECT day FROM interactions ORDER BY external_id"), &[]).await;
        assert_eq!(days, [(20_468,), (20_469,), (20_468,)]);
        world.settle().await;
        world.check().await;
    }

    async fn a_level_that_changes_is_told_once(db: TestDb) {
        let mut world = World::new(db).await;
        world.tell(&views(&world, 0, "a", 1)).await;
        world.settle().await;
        assert!(told(&world.db).await.is_empty());
        world.tell(&views(&world, 0, "b", 15)).await;
        world.settle().await;
        let first = told(&world.db).await;
        assert_eq!(first.len(), 1, "{first:?}");
        assert_eq!(first[0], json!({"level": "casual", "previous_level": "inactive", "score": 18}));
        world.tell(&views(&world, 0, "c", 1)).await;
        world.settle().await;
        assert_eq!(told(&world.db).await, first);
        // She fades until she is inactive, whoever turns the days.
        for _ in 0..200 {
            world.db.advance(DAY);
            world.turn().await;
            world.db.drain(&registry()).await;
        }
        let all = told(&world.db).await;
        assert_eq!(all.len(), 2, "{all:?}");
        assert_eq!(all[1], json!({"level": "inactive", "previous_level": "casual", "score": 4}));
        assert_eq!(world.check().await["mem_00"].1.2, Level::Inactive);
    }

    async fn a_turned_day_writes_only_what_changes_and_a_second_time_nothing(db: TestDb) {
        let mut world = World::new(db).await;
        world.tell(&views(&world, 0, "a", 20)).await;
        world.tell(&views(&world, 3, "b", 1)).await;
        world.settle().await;
        let before: Vec<(i64, i64, i64, i64, i64)> = world.db.rows(SCORES, &[]).await;
        world.db.advance(DAY);
        world.settle().await;
        let after: Vec<(i64, i64, i64, i64, i64)> = world.db.rows(SCORES, &[]).await;
        // One view gave 2 points and still does.
        assert_eq!((before[1], before[1].1), (after[1], 2));
        assert_eq!((after[0].0, after[0].4), (before[0].0, before[0].4 + 1));
        world.settle().await;
        assert_eq!(world.db.rows::<(i64, i64, i64, i64, i64)>(SCORES, &[]).await, after);
    }

    async fn two_processes_that_count_the_same_count_each_once(db: TestDb) {
        let mut world = World::new(db).await;
        for member in 0..8 {
            world.tell(&views(&world, member, &format!("{member}"), 9)).await;
        }
        begin(&world.db, "default").await.unwrap();
        let tracker = tokio_util::task::TaskTracker::new();
        let mut runs = Vec::new();
        for _ in 0..2 {
            let node = world.db.node().await;
            runs.push(tracker.spawn(async move {
                let mut counted = 0;
                loop {
                    let told = count::inbox(&node.db, "default", 1_000).await.unwrap();
                    if told.is_empty() {
                        break counted;
                    }
                    let state = states::state(&node.db, "default").await.unwrap().unwrap();
                    let mut known = Versions::read(&node, &state).await.unwrap();
                    for batch in batches(&node, told) {
                        match one(&node, "default", &mut known, &batch, None).await.unwrap() {
                            Counted::Done { .. } => counted += batch.rows(),
                            Counted::Elsewhere => {}
                            Counted::NoWeights => panic!("there are weights for today"),
                        }
                    }
                }
            }));
        }
        let mut counted = 0;
        for run in runs {
            counted += run.await.unwrap();
        }
        assert_eq!(counted, 72);
        world.settle().await;
        world.check().await;
    }

    async fn a_rebuild_that_is_not_wanted_any_more_is_abandoned(db: TestDb) {
        let mut world = World::new(db).await;
        for member in 0..8 {
            world.tell(&views(&world, member, &format!("{member}"), 9)).await;
        }
        world.settle().await;
        // More days than one shard has.
        for days in 1..6 {
            let at = world.db.now().minus(days * DAY);
            let items: Vec<Item> = (0..8).map(|member| world.item(member, &format!("{member} {days}"), "share", at)).collect();
            world.tell(&items).await;
        }
        world.settle().await;
        let settings = world.db.env.settings.clone();
        let mut other = (*settings).clone();
        other.scoring.levels.casual = 2;
        world.db.env.settings = other.into();
        world.db.enqueue(NewJob::of("default", &RebuildScores {}).unwrap()).await;
        // A run that is told to stop ends after the shard that it is at.
        world.db.drain_stopping(&registry()).await;
        let begun = states::state(&world.db.db, "default").await.unwrap().unwrap();
        assert!(begun.rebuilt_to > 0, "{begun:?}");
        assert_eq!((begun.version, begun.next_version), (1, Some(2)));
        world.db.env.settings = settings;
        world.tell(&views(&world, 0, "more", 3)).await;
        world.settle().await;
        let state = states::state(&world.db.db, "default").await.unwrap().unwrap();
        assert_eq!((state.version, state.next_version, state.rebuilt_to), (1, None, 0));
        assert_eq!(world.db.count("member_scores WHERE version <> 1").await, 0);
        world.check().await;
    }

    async fn a_rebuild_replaces_the_version_and_leaves_nothing_of_the_old_one(db: TestDb) {
        let mut world = World::new(db).await;
        for member in 0..8 {
            world.tell(&views(&world, member, &format!("{member}"), 9)).await;
        }
        world.settle().await;
        let before = world.check().await;
        let mut tx = world.db.db.begin().await.unwrap();
        rebuild(&mut tx, &world.db, "default").await.unwrap();
        tx.commit().await.unwrap();
        world.db.drain(&registry()).await;
        // The same landmark, so the same bits.
        assert_eq!(world.check().await, before);
        let versions: Vec<(i64,)> = world.db.rows(Sql::both("SELECT version FROM score_versions"), &[]).await;
        assert_eq!(versions, [(2,)]);
        assert_eq!(world.db.count("member_scores WHERE version <> 2").await, 0);
        assert_eq!(world.db.count("score_weights WHERE version <> 2").await, 0);
    }

    async fn a_bit_that_is_wrong_is_found(db: TestDb) {
        let mut world = World::new(db).await;
        for member in 0..3 {
            world.tell(&views(&world, member, &format!("{member}"), 9)).await;
        }
        world.settle().await;
        let right = verify(&world.db, "default", true).await.unwrap();
        assert_eq!((right.compared, right.differ.len()), (3, 0));
        let no = Sql::both("UPDATE member_scores SET sum_3 = sum_3 + 1 WHERE member_no =
            (SELECT member_no FROM engagement_members WHERE member_id = 'mem_01')");
        world.db.execute(no, &[]).await;
        assert_eq!(verify(&world.db, "default", true).await.unwrap().differ, ["mem_01"]);
        world.db.execute(Sql::both("UPDATE member_scores SET sum_3 = sum_3 - 1, level_before = 3"), &[]).await;
        assert_eq!(verify(&world.db, "default", true).await.unwrap().differ.len(), 3);
    }

    async fn who_has_no_weights_for_today_waits_for_the_rebuild(db: TestDb) {
        let mut world = World::new(db).await;
        world.tell(&views(&world, 0, "a", 9)).await;
        world.settle().await;
        world.db.advance(150 * DAY);
        world.tell(&views(&world, 0, "b", 9)).await;
        let drained = world.db.drain(&registry()).await;
        assert_eq!((drained.snoozed, world.db.count("interaction_inbox").await), (1, 9));
        world.settle().await;
        world.check().await;
    }

    async fn counting_folds_while_it_waits(db: TestDb) {
        let mut world = World::new(db).await;
        for n in 0..3 {
            world.tell(&views(&world, 0, &n.to_string(), 1)).await;
        }
        assert_eq!(world.db.count("jobs").await, 1);
        let job = NewJob::of("default", &CountInteractions {}).unwrap();
        assert!(world.db.enqueue(job).await.folded);
    }
}
