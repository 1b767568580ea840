//! Some members of three creators in three time zones, what they do, and where they should stand by the definition.

use std::{collections::BTreeMap, time::Duration};

use chrono_tz::Tz;

use crate::{
    args, creators,
    engagement::{
        self, Day, Formula, Item, Received, Sums, level_by_folding, local_day,
        store::versions as states, versions, whole,
    },
    kernel::{
        Registry, Timestamp,
        db::Sql,
        outbox::NewJob,
        scoring::{FACTORS_MAX, Level},
    },
    members::{model::NewMember, store as members},
    testing::TestDb,
};

/// Members.
pub(super) const MEMBERS: usize = 10;
/// The kinds that every configuration of these tests has.
pub(super) const KINDS: [&str; 4] = ["comment", "content_view", "persona_chat", "share"];
/// The creators' time zones; the first is the organization's, for the members of none.
const ZONES: [Tz; 3] = [Tz::UTC, Tz::Asia__Tokyo, Tz::America__Los_Angeles];

pub(super) fn registry() -> Registry {
    Registry::of(&[&engagement::FAMILY])
}

/// What was told of an interaction.
#[derive(Clone, Debug)]
struct Fact {
    member: usize,
    kind: String,
    day: Day,
    counts: bool,
}

/// A database and what was told.
pub(super) struct World {
    pub(super) db: TestDb,
    facts: BTreeMap<String, Fact>,
    /// Of each member, her creator's place among the zones.
    creators: Vec<usize>,
    ids: Vec<String>,
}

/// Where a member stands: what must be the same everywhere.
pub(super) type Stand = (Sums, i64, Level, Level);

const SCORES: Sql = Sql::both(
    "SELECT e.member_id, s.day, coalesce(a.day, 0) AS turned, s.score, s.level, s.level_before,
        s.sum_0, s.sum_1, s.sum_2, s.sum_3, s.sum_4, s.sum_5, s.sum_6, s.sum_7
     FROM engagement_state AS t JOIN member_scores AS s ON s.version = t.version
     JOIN engagement_members AS e ON e.member_no = s.member_no AND e.audience_no = s.audience_no
     JOIN audiences AS a ON a.audience_no = s.audience_no ORDER BY e.member_id",
);

#[derive(sqlx::FromRow)]
struct Row {
    member_id: String,
    day: Day,
    turned: Day,
    score: i64,
    level: i64,
    level_before: i64,
    sum_0: i64,
    sum_1: i64,
    sum_2: i64,
    sum_3: i64,
    sum_4: i64,
    sum_5: i64,
    sum_6: i64,
    sum_7: i64,
}

impl World {
    pub(super) async fn new(db: TestDb) -> Self {
        let ids: Vec<String> = (0..MEMBERS).map(|at| format!("mem_{at:02}")).collect();
        let mut tx = db.db.begin().await.unwrap();
        let new = |id: &String| {
            let new = NewMember {
                organization_id: "default".to_owned(),
                email: None,
                name: None,
                joined_at: db.now(),
            };
            (id.clone(), new)
        };
        let new: Vec<_> = ids.iter().map(new).collect();
        members::insert_many(&mut tx, &db, &new).await.unwrap();
        let mut made = vec![None];
        for zone in &ZONES[1..] {
            let name = zone.name();
            let new = creators::New { name, external_id: Some(name), time_zone: Some(name) };
            let creator = creators::create(&mut tx, &db, "default", new).await.unwrap().unwrap();
            made.push(Some(creator.id));
        }
        for (at, id) in ids.iter().enumerate() {
            let set = Sql::both("UPDATE members SET creator_id = $2 WHERE id = $1");
            let creator = made[at % ZONES.len()].as_deref();
            tx.execute(set, args![id, creator]).await.unwrap();
        }
        tx.commit().await.unwrap();
        let creators = (0..MEMBERS).map(|at| at % ZONES.len()).collect();
        Self { db, facts: BTreeMap::new(), creators, ids }
    }

    pub(super) fn id(&self, member: usize) -> &str {
        &self.ids[member]
    }

    pub(super) fn item(&self, member: usize, id: &str, kind: &str, at: Timestamp) -> Item {
        Item {
            source: "test".to_owned(),
            id: id.to_owned(),
            member: self.ids[member].clone(),
            kind: kind.to_owned(),
            occurred_at: Some(at),
            seconds: 0,
            details: None,
            removed: false,
        }
    }

    /// Tells of interactions, and notes what should follow.
    pub(super) async fn tell(&mut self, items: &[Item]) -> Received {
        let numbered: Vec<_> = items.iter().cloned().enumerate().collect();
        let mut tx = self.db.db.begin().await.unwrap();
        let told = engagement::receive(&mut tx, &self.db, "default", None, &numbered, false).await;
        let told = told.unwrap();
        tx.commit().await.unwrap();
        if !told.refused.is_empty() {
            return told;
        }
        for item in items {
            let member = self.ids.iter().position(|id| *id == item.member).unwrap();
            let at = item.occurred_at.unwrap().min(self.db.now());
            let new = Fact {
                member,
                kind: item.kind.clone(),
                day: local_day(ZONES[self.creators[member]], at),
                counts: true,
            };
            let fact = self.facts.entry(item.id.clone()).or_insert(new);
            fact.counts &= !item.removed;
        }
        told
    }

    /// Moves a member to another creator, as the roster does.
    pub(super) async fn move_to(&mut self, member: usize, zone: usize) {
        let found = match zone {
            0 => None,
            at => creators::find(&self.db.db, "default", ZONES[at].name()).await.unwrap(),
        };
        let (creator, id) = (found.map(|it| it.id), &self.ids[member]);
        let mut tx = self.db.db.begin().await.unwrap();
        engagement::lock(&mut tx, "default").await.unwrap();
        members::lock(&mut tx, "default", id).await.unwrap();
        let set = Sql::both("UPDATE members SET creator_id = $2 WHERE id = $1");
        tx.execute(set, args![id, &creator]).await.unwrap();
        engagement::move_member(&mut tx, &self.db, "default", id, creator.as_deref()).await.unwrap();
        tx.commit().await.unwrap();
        self.creators[member] = zone;
    }

    pub(super) async fn turn(&self) {
        self.db.enqueue(NewJob::of("default", &engagement::TurnDays {}).unwrap()).await;
    }

    /// Runs whatever is due until nothing waits any more.
    pub(super) async fn settle(&self) {
        for _ in 0..4 {
            self.turn().await;
            self.db.drain(&registry()).await;
            self.db.advance(Duration::from_secs(15));
        }
        self.db.drain(&registry()).await;
        assert_eq!(self.db.count("interaction_inbox").await, 0);
    }

    /// The scores as they are kept, by member, each with the day for which it stands.
    pub(super) async fn kept(&self) -> BTreeMap<String, (Day, Stand)> {
        let rows: Vec<Row> = self.db.rows(SCORES, &[]).await;
        let stand = |row: Row| {
            let sums = [
                row.sum_0, row.sum_1, row.sum_2, row.sum_3, row.sum_4, row.sum_5, row.sum_6, row.sum_7,
            ];
            let level = |number| Level::of(number).unwrap();
            let stand = (sums, row.score, level(row.level), level(row.level_before));
            (row.member_id, (row.day.max(row.turned), stand))
        };
        rows.into_iter().map(stand).collect()
    }

    /// The formula of the version that is read.
    pub(super) async fn formula(&self) -> Formula {
        let state = states::state(&self.db.db, "default").await.unwrap().unwrap();
        versions::get(&self.db.db, state.version).await.unwrap().formula.clone()
    }

    /// Where a member should stand, from what was told and nothing else.
    pub(super) fn right(&self, formula: &Formula, member: usize, day: Day) -> Stand {
        let mut counts: BTreeMap<(Day, &str), i64> = BTreeMap::new();
        for fact in self.facts.values().filter(|fact| fact.member == member && fact.counts) {
            *counts.entry((fact.day, &fact.kind)).or_default() += 1;
        }
        let sums_at = |end: Day| {
            let mut sums = [0; FACTORS_MAX];
            for ((day, kind), n) in counts.range(..(end + 1, "")) {
                let place = formula.scoring.kinds.iter().position(|it| it.id == *kind);
                if let Some((factor, worth)) = place.and_then(|place| formula.worth(place, *day, *n)) {
                    sums[factor] += worth;
                }
            }
            sums
        };
        let first = counts.keys().next().map_or(day, |(day, _)| *day) - 1;
        let score = whole(formula.score_milli(&sums_at(day), day));
        let level = level_by_folding(formula, first, day, sums_at);
        (sums_at(day), score, level, level_by_folding(formula, first, day - 1, sums_at))
    }

    /// Compares everybody with the definition; answers where they stand.
    pub(super) async fn check(&self) -> BTreeMap<String, (Day, Stand)> {
        let (formula, kept) = (self.formula().await, self.kept().await);
        for (at, id) in self.ids.iter().enumerate() {
            let (day, stand) = kept.get(id).copied().unwrap_or_else(|| {
                (local_day(Tz::UTC, self.db.now()), ([0; FACTORS_MAX], 0, Level::Inactive, Level::Inactive))
            });
            assert_eq!(stand, self.right(&formula, at, day), "{id} on {day}");
        }
        kept
    }
}
