//! Scores and explanations: against the definition in its plainest form, on both databases.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{
    Score, briefs, explain,
    explain::{Did as Day, Next},
    score,
};
use crate::{
    FAMILIES, both,
    engagement::{
        Formula, Item, Sums, Weights,
        analytics::{Period, Window, analytics, period},
        receive,
        timeline::newest,
        whole,
    },
    kernel::{
        Registry,
        scoring::{FACTORS_MAX, Level, MILLI, Scoring},
    },
    testing::{
        Engine, TestDb,
        engaged::{Did, Engaged, Somebody, TODAY, days_ago},
    },
};

const COMMENT: usize = 0;
const VIEW: usize = 1;
const CHAT: usize = 2;
const SHARE: usize = 3;

const fn did(ago: i64, kind: usize, n: i64) -> Did {
    Did { ago, kind, n, seconds: 0 }
}

async fn of(db: &TestDb, one: &Somebody) -> Score {
    let creator = one.creator.as_deref();
    score(&db.env, &one.organization, &one.id, creator, one.deleted).await.unwrap()
}

/// A member of an audience, with a creator or without.
fn member(number: i64, creator: Option<&str>) -> Somebody {
    let days = (0..number % 7).map(|day| did(day * 3, VIEW, number % 5 + day)).collect::<Vec<_>>();
    let creator = creator.map(str::to_owned);
    Somebody { creator, ..Somebody::new(&format!("mem_{number:02}"), &days) }
}

both! {
    async fn a_member_shows_what_she_did_and_where_that_puts_her(db: TestDb) {
        let mut scoring = Scoring::default();
        scoring.kinds[SHARE].counts_as_interaction = false;
        let world = Engaged::begin(&db, scoring).await;
        let ann = Somebody::new("mem_ann", &[
            did(0, COMMENT, 3), did(0, VIEW, 25), did(29, VIEW, 4), did(30, VIEW, 7), did(2, CHAT, -1), did(1, SHARE, 2),
        ]);
        world.put(&ann).await;
        let stands = of(&db, &ann).await;
        assert_eq!(stands.brief.interactions_30d, 3 + 25 + 4);
        let kinds: Vec<_> = stands.kinds.iter().map(|(kind, n)| (kind.as_str(), *n)).collect();
        assert_eq!(kinds, [("comment", 3), ("content_view", 36), ("persona_chat", 0)]);
        assert_eq!(stands.others.iter().collect::<Vec<_>>(), [(&"share".to_owned(), &2)]);
        assert_eq!((stands.rank, stands.as_of, stands.last_day), (Some(1), TODAY, Some(TODAY)));
        let points: i64 = stands.explanation.factors.iter().map(|factor| factor.points_milli).sum();
        assert_eq!(points, world.formula.score_milli(&world.sums(&ann, TODAY), TODAY));
        assert_eq!(whole(points), stands.brief.score);
        // Views count up to the cap of the day, however many there were.
        let views = stands.explanation.factors.iter().find(|factor| factor.id == "views").unwrap();
        let days: Vec<_> = views.days.iter().map(|day| (TODAY - day.day, day.counted)).collect();
        assert_eq!(days, [(0, 20), (30, 7), (29, 4)]);
        let ids = [ann.id.clone(), "mem_nobody".to_owned()];
        let brief = briefs(&db.env, "default", &ids).await.unwrap();
        assert_eq!(brief.into_iter().collect::<Vec<_>>(), [(ann.id, stands.brief)]);
    }

    async fn who_never_did_anything_is_inactive_and_told_how_to_begin(db: TestDb) {
        let nobody = Somebody::new("mem_nobody", &[]);
        let before = of(&db, &nobody).await;
        let world = Engaged::begin(&db, Scoring::default()).await;
        world.put(&nobody).await;
        let after = of(&db, &nobody).await;
        assert_eq!(before, after);
        assert_eq!((after.brief.level, after.rank, after.last_day), (Level::Inactive, None, None));
        let next = after.explanation.next.unwrap();
        assert_eq!((next.level, next.missing_milli), (Level::Casual, 5_000));
        let more: Vec<_> = next.ways.iter().map(|way| (way.kind.as_str(), way.more)).collect();
        assert_eq!(more, [("comment", 2), ("content_view", 3), ("persona_chat", 2), ("share", 2)]);
    }

    async fn ranks_are_a_permutation_of_the_living_of_each_audience(db: TestDb) {
        let world = Engaged::begin(&db, Scoring::default()).await;
        let mut all: Vec<_> = (0..24).map(|number| member(number, [None, Some("crt_a")][usize::from(number % 3 == 0)])).collect();
        all.iter_mut().skip(4).step_by(5).for_each(|one| one.deleted = true);
        let elsewhere = Somebody { organization: "other".to_owned(), ..member(41, None) };
        other(&db).await;
        for one in all.iter().chain([&elsewhere]) {
            world.put(one).await;
        }
        for creator in [None, Some("crt_a")] {
            let mut ranked = Vec::new();
            for one in all.iter().filter(|one| one.creator.as_deref() == creator) {
                let stands = of(&db, one).await;
                assert_eq!(stands.rank.is_some(), !one.deleted && !one.did.is_empty(), "{one:?}");
                ranked.extend(stands.rank.map(|rank| (rank, -stands.brief.score)));
            }
            let ranks: BTreeSet<_> = ranked.iter().map(|(rank, _)| *rank).collect();
            let expected: BTreeSet<_> = (1..=i64::try_from(ranked.len()).unwrap()).collect();
            assert_eq!(ranks, expected);
            assert!(ranks.len() > 4, "{ranks:?}");
            ranked.sort_unstable();
            assert!(ranked.is_sorted_by_key(|(_, score)| *score), "{ranked:?}");
        }
        assert_eq!(of(&db, &elsewhere).await.rank, Some(1));
    }
}

/// Tells the interactions of somebody over the intake, one by one, twice each, and has them counted.
async fn told(db: &TestDb, one: &Somebody) {
    let kinds = &db.settings.scoring.kinds;
    let mut items = Vec::new();
    for (at, did) in one.did.iter().enumerate() {
        for number in 0..did.n {
            let item = Item {
                source: "test".to_owned(),
                id: format!("{}-{at}-{number}", one.id),
                member: one.id.clone(),
                kind: kinds[did.kind].id.clone(),
                occurred_at: Some(days_ago(did.ago)),
                seconds: did.seconds,
                details: None,
                removed: false,
            };
            items.push((items.len(), item));
        }
    }
    for _ in 0..2 {
        let mut tx = db.env.db.begin().await.unwrap();
        let received = receive(&mut tx, &db.env, &one.organization, None, &items, false).await;
        assert_eq!(received.unwrap().refused, []);
        tx.commit().await.unwrap();
    }
    db.drain(&Registry::of(FAMILIES)).await;
}

/// What is shown is the same whether the intake counted it or the tests' own reference wrote it.
#[tokio::test]
async fn what_the_intake_counts_is_shown_as_the_reference_has_it() {
    let ann = Somebody::new("mem_ann", &[
        did(0, COMMENT, 3), did(0, VIEW, 25), did(12, VIEW, 4), did(3, SHARE, 2), did(40, CHAT, 6),
    ]);
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let (counted, written) = (TestDb::new(engine).await, TestDb::new(engine).await);
        Engaged::member(&counted, &ann).await;
        told(&counted, &ann).await;
        Engaged::begin(&written, Scoring::default()).await.put(&ann).await;
        let (is, expected) = (of(&counted, &ann).await, of(&written, &ann).await);
        assert_eq!((is.brief.level, is.rank, is.last_day), (expected.brief.level, Some(1), Some(TODAY)));
        assert_eq!((&is.kinds, is.brief.interactions_30d), (&expected.kinds, 34));
        assert_eq!((is.brief.score, is.as_of), (expected.brief.score, TODAY));
        let day = period::date(TODAY);
        for period in Period::ALL {
            let window = Window::of(period, day, day).unwrap();
            let figures = async |db: &TestDb| {
                analytics(&db.env, "default", None, chrono_tz::UTC, window).await.unwrap()
            };
            let (is, expected) = (figures(&counted).await, figures(&written).await);
            assert_eq!((is.interactions(), is.active, is.levels), (expected.interactions(), 1, expected.levels));
        }
        let page = newest(&counted.env.db, "default", &ann.id, None, 100).await.unwrap();
        assert_eq!(page.len(), 40);
        assert!(page.is_sorted_by_key(|row| std::cmp::Reverse(row.occurred_at)));
    }
}

async fn other(db: &TestDb) {
    let mut tx = db.env.db.begin().await.unwrap();
    crate::access::ensure_organization(&mut tx, "other", "Other", db.now()).await.unwrap();
    tx.commit().await.unwrap();
}

/// Some days of a member, each day and kind at most once.
fn days() -> impl Strategy<Value = Vec<Day>> {
    let day = (0_i64..200, 0_usize..4, -2_i64..40);
    proptest::collection::vec(day, 0..40).prop_map(|days| {
        let mut seen = BTreeSet::new();
        let mut days: Vec<_> = days
            .into_iter()
            .map(|(ago, kind, n)| Day { day: TODAY - ago, kind, n })
            .collect();
        days.retain(|one| seen.insert((one.day, one.kind)));
        days
    })
}

fn sums(formula: &Formula, did: &[Day]) -> Sums {
    let mut sums = [0; FACTORS_MAX];
    for one in did {
        let (factor, worth) = formula.worth(one.kind, one.day, one.n).unwrap();
        sums[factor] += worth;
    }
    sums
}

/// The days with so many more of a kind today.
fn with(did: &[Day], kind: usize, more: i64) -> Vec<Day> {
    let is_it = |one: &Day| one.day == TODAY && one.kind == kind;
    let n = did.iter().find(|one| is_it(one)).map_or(0, |one| one.n);
    let mut after: Vec<_> = did.iter().copied().filter(|one| !is_it(one)).collect();
    after.push(Day { day: TODAY, kind, n: n + more });
    after
}

proptest! {
    #[test]
    fn points_add_up_and_so_many_more_are_enough_while_one_less_is_not(did in days()) {
        let scoring = Scoring::default();
        let weights = Weights::of(&scoring, TODAY - 30);
        let formula = Formula { scoring, weights };
        let milli = |did: &[Day]| formula.score_milli(&sums(&formula, did), TODAY);
        let level = formula.levels().bounds(milli(&did)).0;
        let explained = explain(&formula, &sums(&formula, &did), level, TODAY, &did);
        let points: i64 = explained.factors.iter().map(|factor| factor.points_milli).sum();
        prop_assert_eq!(points, milli(&did));
        for factor in &explained.factors {
            prop_assert!(factor.points_milli <= factor.cap * MILLI);
            let of_days: i64 = factor.days.iter().map(|day| day.effective_milli).sum();
            prop_assert!(of_days <= factor.effective_milli);
        }
        let Some(Next { score, missing_milli, ways, today, .. }) = explained.next else {
            prop_assert_eq!(level, Level::Superfan);
            return Ok(());
        };
        prop_assert_eq!(missing_milli, score * MILLI - milli(&did));
        for (kind, of) in formula.scoring.kinds.iter().enumerate() {
            let reaches = |more| milli(&with(&did, kind, more)) >= score * MILLI;
            match ways.iter().find(|way| way.kind == of.id) {
                Some(way) => prop_assert!(reaches(way.more) && !reaches(way.more - 1), "{:?}", way),
                None => prop_assert!(!reaches(1_000), "{}", of.id),
            }
        }
        let everything = (0..4).fold(did, |did, kind| with(&did, kind, 1_000));
        prop_assert_eq!(today, milli(&everything) >= score * MILLI);
    }
}
