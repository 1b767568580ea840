//! The figures of random worlds: their identities, and each against a plain count, on both databases.

use std::collections::{BTreeMap, BTreeSet};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::{Analytics, Period, Window, analytics, period};
use crate::{
    access::ensure_organization,
    args, both,
    engagement::Day,
    kernel::{
        db::Sql,
        scoring::{Level, Scoring},
    },
    testing::{
        START, TestDb,
        engaged::{Did, Engaged, Somebody, TODAY, days_ago},
    },
};

const CHURN: Sql = Sql::both(
    "INSERT INTO member_churns (organization_id, member_id, churned_at) VALUES ($1, $2, $3)",
);
const MEMBERS: usize = 40;
/// A kind that does not count as an interaction.
const QUIET: usize = 1;

/// Somebody, and the days ago on which she churned.
type Person = (Somebody, BTreeSet<i64>);

fn person(rng: &mut StdRng, number: usize) -> Person {
    let mut did = BTreeMap::new();
    for _ in 0..rng.random_range(0..30) {
        let (ago, kind) = (rng.random_range(0..70), rng.random_range(0..4));
        let (n, seconds) = (rng.random_range(-2..30), rng.random_range(0..900));
        did.insert((ago, kind), Did { ago, kind, n, seconds });
    }
    let creator = ["", "crt_a", "crt_b"][rng.random_range(0..3)];
    let of_other = creator.is_empty() && rng.random_bool(0.2);
    let joined = rng.random_range(0..90);
    let somebody = Somebody {
        id: format!("mem_{number:02}"),
        organization: if of_other { "other" } else { "default" }.to_owned(),
        creator: Some(creator.to_owned()).filter(|id| !id.is_empty()),
        joined_at: days_ago(joined),
        deleted: rng.random_bool(0.15),
        did: did.into_values().collect(),
    };
    let churned = (0..rng.random_range(0..3)).map(|_| rng.random_range(0..70)).collect();
    (somebody, churned)
}

async fn world(db: &TestDb, seed: u64) -> (Engaged<'_>, Vec<Person>) {
    let mut tx = db.env.db.begin().await.unwrap();
    ensure_organization(&mut tx, "other", "Other", START).await.unwrap();
    tx.commit().await.unwrap();
    let mut scoring = Scoring::default();
    scoring.kinds[QUIET].counts_as_interaction = false;
    let world = Engaged::begin(db, scoring).await;
    let mut rng = StdRng::seed_from_u64(seed);
    let people: Vec<_> = (0..MEMBERS).map(|number| person(&mut rng, number)).collect();
    for (one, churned) in &people {
        world.put(one).await;
        for ago in churned {
            db.execute(CHURN, args![&one.organization, &one.id, days_ago(*ago)]).await;
        }
    }
    (world, people)
}

/// All that must hold whatever happened.
fn identities(of: &Analytics) {
    let levels = of.levels;
    assert_eq!(levels.iter().map(|level| level.members).sum::<i64>(), of.members);
    assert_eq!(levels.iter().map(|level| level.interactions).sum::<i64>(), of.interactions());
    assert_eq!(of.kinds.values().map(|kind| kind.n).sum::<i64>(), of.interactions());
    assert_eq!(of.net_growth(), of.new - of.churned);
    let shares: f64 = levels.iter().map(|level| of.share(level)).sum();
    assert!(of.members == 0 || (shares - 1.0).abs() < 1e-9, "{shares}");
    assert!(of.active_both <= of.active.min(of.active_before));
    assert!(of.active.max(of.new).max(of.churned).max(of.members_before) <= of.members);
    let whole = of.growth_rate().zip(Some(of.members - of.net_growth()));
    let net = whole.map(|(rate, before)| rate * f64::from(i32::try_from(before).unwrap()));
    let expected = f64::from(i32::try_from(of.net_growth()).unwrap());
    assert!(net.is_none_or(|net| (net - expected).abs() < 1e-9));
    assert!(of.retention_rate().is_none_or(|rate| (0.0..=1.0).contains(&rate)));
}

/// The same figures by looking at each member.
fn compare(world: &Engaged<'_>, people: &[&Person], of: &Analytics) {
    let Window { now, before } = of.window;
    let day = |ago: i64| TODAY - ago;
    let in_period = |day: Day| now.from <= day && day <= now.to;
    let earlier = |day: Day| before.from <= day && day <= before.to;
    let joined = |one: &Somebody| crate::engagement::local_day(chrono_tz::UTC, one.joined_at);
    let there: Vec<_> =
        people.iter().filter(|(one, _)| !one.deleted && joined(one) <= now.to).collect();
    let n = |one: &Somebody, wanted: &dyn Fn(Day) -> bool| {
        world.by_kind(one, true, wanted).values().sum::<i64>()
    };
    let count = |wanted: &dyn Fn(&Person) -> bool| {
        i64::try_from(there.iter().filter(|person| wanted(person)).count()).unwrap()
    };
    let is_active = |one: &Somebody| n(one, &in_period) > 0;
    let was_active = |one: &Somebody| n(one, &earlier) > 0;
    assert_eq!(of.members, count(&|_| true));
    assert_eq!(of.members_before, count(&|(one, _)| joined(one) <= before.to));
    assert_eq!(of.new, count(&|(one, _)| in_period(joined(one))));
    assert_eq!(of.churned, count(&|(_, churned)| churned.iter().any(|ago| in_period(day(*ago)))));
    assert_eq!(of.active, count(&|(one, _)| is_active(one)));
    assert_eq!(of.active_before, count(&|(one, _)| was_active(one)));
    assert_eq!(of.active_both, count(&|(one, _)| is_active(one) && was_active(one)));
    assert_eq!(of.active_today, count(&|(one, _)| n(one, &|day| day == now.to) > 0));
    for level in Level::ALL {
        let has = |one: &Somebody| !one.did.is_empty() && world.level(one) == level.number();
        let none = |one: &Somebody| one.did.is_empty() && level == Level::Inactive;
        assert_eq!(of.level(level).members, count(&|(one, _)| has(one) || none(one)), "{level}");
    }
    for counts in [true, false] {
        let mut by_kind: BTreeMap<String, i64> = BTreeMap::new();
        for (one, _) in &there {
            for (kind, n) in world.by_kind(one, counts, in_period) {
                *by_kind.entry(kind).or_default() += n;
            }
        }
        let told = if counts { &of.kinds } else { &of.others };
        let told = told.iter().filter(|(_, kind)| kind.n > 0);
        let told: BTreeMap<_, _> = told.map(|(name, kind)| (name.clone(), kind.n)).collect();
        by_kind.retain(|_, n| *n > 0);
        assert_eq!(told, by_kind);
    }
    let mut most: Vec<_> = there.iter().map(|(one, _)| n(one, &in_period)).collect();
    most.sort_unstable_by_key(|n| -n);
    most.retain(|n| *n > 0);
    most.truncate(10);
    let top: Vec<_> = of.top.iter().map(|one| one.interactions).collect();
    assert_eq!(top, most);
    let ids: BTreeSet<_> = there.iter().map(|(one, _)| one.id.as_str()).collect();
    assert!(of.top.iter().all(|one| ids.contains(one.member_id.as_str())), "{:?}", of.top);
}

both! {
    async fn the_figures_of_any_world_fit_together_and_are_those_of_its_members(db: TestDb) {
        let (world, people) = world(&db, 7).await;
        let mut busy = 0;
        for (organization, creator) in
            [("default", None), ("default", Some("crt_a")), ("default", Some("crt_b")), ("other", None)]
        {
            let mine: Vec<_> = people
                .iter()
                .filter(|(one, _)| one.organization == organization)
                .filter(|(one, _)| creator.is_none_or(|creator| one.creator.as_deref() == Some(creator)))
                .collect();
            for period in Period::ALL {
                for ago in [0, 1, 9, 40] {
                    let window = Window::of(period, period::date(TODAY - ago), period::date(TODAY)).unwrap();
                    let of = analytics(&db.env, organization, creator, chrono_tz::UTC, window).await.unwrap();
                    identities(&of);
                    compare(&world, &mine, &of);
                    busy += of.interactions();
                }
            }
        }
        assert!(busy > 1_000, "{busy}");
    }

    async fn the_days_of_a_period_are_those_of_its_time_zone(db: TestDb) {
        let world = Engaged::begin(&db, Scoring::default()).await;
        // Half past ten in the evening of the day before, in UTC.
        let late = crate::kernel::Timestamp(START.0 - 12 * 3_600_000);
        let one = Somebody { joined_at: late, ..Somebody::new("mem_1", &[]) };
        world.put(&one).await;
        db.execute(CHURN, args!["default", &one.id, late]).await;
        let window = Window::of(Period::Day, period::date(TODAY), period::date(TODAY)).unwrap();
        for (zone, expected) in [(chrono_tz::UTC, 0), (chrono_tz::Europe::Vienna, 0), (chrono_tz::Asia::Tokyo, 1)] {
            let of = analytics(&db.env, "default", None, zone, window).await.unwrap();
            assert_eq!((of.members, of.new, of.churned), (1, expected, expected), "{zone}");
        }
    }
}

/// The sample of seed 001: 580 joined and 120 left, of 11,450.
#[test]
fn the_seeds_sample_gives_its_rates() {
    let window = Window::of(Period::Month, period::date(TODAY), period::date(TODAY)).unwrap();
    let mut of = Analytics::nothing_in(window);
    (of.members, of.new, of.churned) = (11_450, 580, 120);
    (of.active_before, of.active_both) = (1_000, 920);
    of.sessions = (2 * 750, 2);
    assert_eq!(of.net_growth(), 460);
    assert_eq!(format!("{:.3}", of.growth_rate().unwrap()), "0.042");
    assert_eq!(of.retention_rate(), Some(0.92));
    assert_eq!(of.session_minutes(), Some(12.5));
    assert_eq!((of.trend(), of.average_score()), (None, Some(0.0)));
}
