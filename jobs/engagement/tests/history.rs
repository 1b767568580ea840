//! Random histories: told in any order, twice, late and taken back; counted by processes that die; days turned late or never;
//! members who move, rebuilds, new configurations and new landmarks in between. Each history is lived on both databases.

use std::{collections::BTreeMap, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::world::{KINDS, MEMBERS, Stand, World, registry};
use crate::{
    engagement::{Day, Item, RebuildScores, TurnDays, rebuild, verify},
    kernel::{Timestamp, outbox::NewJob, scoring::Scoring},
    testing::{Engine, TestDb},
};

/// Histories, unless `MEMBERD_HISTORIES` says otherwise.
const HISTORIES: u64 = 2;
/// Things that happen in one.
const STEPS: usize = 90;
/// Milliseconds of an hour.
const HOUR: i64 = 60 * 60 * 1000;

#[derive(Clone, Debug)]
enum Step {
    /// Interactions are told: member, id, kind, hours ago, taken back.
    Tell(Vec<(usize, usize, usize, i64, bool)>),
    /// Whatever is due runs, and dies after so many polls.
    Die(u32),
    /// Whatever is due runs.
    Drain,
    /// Days are turned, when their job runs.
    Turn,
    /// Somebody asks for a rebuild.
    Rebuild,
    /// A configuration.
    Configure(usize),
    /// A member goes to another creator.
    Move(usize, usize),
    /// Hours go by.
    Wait(i64),
}

fn script(seed: u64) -> Vec<Step> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut told = 0;
    let mut steps = Vec::new();
    for _ in 0..STEPS {
        steps.push(match rng.random_range(0..20) {
            0..7 => Step::Tell((0..rng.random_range(1..25)).map(|_| interaction(&mut rng, &mut told)).collect()),
            7..11 => Step::Die(rng.random_range(1..120)),
            11..13 => Step::Drain,
            13 => Step::Turn,
            14 => Step::Rebuild,
            15 => Step::Configure(rng.random_range(0..3)),
            16 => Step::Move(rng.random_range(0..MEMBERS), rng.random_range(0..3)),
            17 => Step::Wait(*[24, 24 * 9, 24 * 80, 24 * 130].choose(&mut rng).unwrap()),
            _ => Step::Wait(rng.random_range(1..20)),
        });
    }
    steps
}

/// Most are new and of today, some late, some known, some taken back, also before they are told.
fn interaction(rng: &mut StdRng, told: &mut usize) -> (usize, usize, usize, i64, bool) {
    let id = match rng.random_range(0..10) {
        0..7 => {
            *told += 1;
            *told
        }
        7 => *told + rng.random_range(1..20),
        _ => rng.random_range(0..=*told),
    };
    let hours = match rng.random_range(0..10) {
        0..6 => rng.random_range(0..3),
        6..9 => rng.random_range(0..24 * 60),
        _ => rng.random_range(0..24 * 400),
    };
    // One id is one member's, so that taking it back is never refused.
    (id % MEMBERS, id, id % KINDS.len(), hours, rng.random_range(0..8) == 0)
}

fn configured(which: usize) -> Scoring {
    let mut scoring = Scoring::default();
    match which {
        0 => {}
        1 => {
            scoring.kinds[0].points = 3;
            scoring.kinds[1].daily_cap = 2;
            scoring.factors[0].half_life = 5;
            scoring.levels.casual = 12;
        }
        _ => {
            scoring.factors[1].cap = 0;
            scoring.factors[2].cap = 40;
            scoring.factors[3].half_at = 3;
            scoring.levels.keep_percent = 50;
        }
    }
    scoring
}

async fn live(world: &mut World, step: Step) {
    match step {
        Step::Tell(told) => {
            let now = world.db.now();
            let items = told.into_iter().map(|(member, id, kind, hours, removed)| {
                let at = Timestamp(now.0 - hours * HOUR);
                Item { removed, ..world.item(member, &id.to_string(), KINDS[kind], at) }
            });
            let items: Vec<Item> = items.collect();
            let received = world.tell(&items).await;
            assert_eq!(received.refused, []);
        }
        Step::Die(polls) => world.db.drain_killing(&registry(), polls).await,
        Step::Drain => {
            world.db.drain(&registry()).await;
        }
        Step::Turn => {
            world.db.enqueue(NewJob::of("default", &TurnDays {}).unwrap()).await;
        }
        Step::Rebuild => {
            let mut tx = world.db.db.begin().await.unwrap();
            rebuild(&mut tx, &world.db, "default").await.unwrap();
            tx.commit().await.unwrap();
        }
        Step::Configure(which) => {
            let mut settings = (*world.db.env.settings).clone();
            settings.scoring = configured(which);
            world.db.env.settings = settings.into();
            world.db.enqueue(NewJob::of("default", &RebuildScores {}).unwrap()).await;
        }
        Step::Move(member, zone) => world.move_to(member, zone).await,
        Step::Wait(hours) => {
            world.db.advance(Duration::from_hours(u64::try_from(hours).unwrap()));
        }
    }
}

async fn history(engine: Engine, seed: u64) -> BTreeMap<String, (Day, Stand)> {
    let mut world = World::new(TestDb::new(engine).await).await;
    for step in script(seed) {
        live(&mut world, step).await;
    }
    world.settle().await;
    world.check().await;
    // Whoever has moved west is ahead of her new days until they have come that far.
    world.db.advance(Duration::from_hours(48));
    world.settle().await;
    let kept = world.check().await;
    assert_eq!(verify(&world.db, "default", true).await.unwrap().differ, Vec::<String>::new());
    let mut tx = world.db.db.begin().await.unwrap();
    rebuild(&mut tx, &world.db, "default").await.unwrap();
    tx.commit().await.unwrap();
    world.db.drain(&registry()).await;
    assert_eq!(world.check().await.len(), kept.len());
    kept
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_histories_end_where_the_definition_says_on_both_databases() {
    let histories = std::env::var_os("MEMBERD_HISTORIES");
    let histories = histories.map_or(HISTORIES, |wanted| wanted.to_str().unwrap().parse().unwrap());
    for seed in 0..histories {
        let (sqlite, postgres) =
            tokio::join!(history(Engine::Sqlite, seed), history(Engine::Postgres, seed));
        assert_eq!(sqlite, postgres, "history {seed}");
        println!("history {seed}: {} members", sqlite.len());
    }
}
