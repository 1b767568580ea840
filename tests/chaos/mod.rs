//! Processes that are killed or frozen, and databases that go away, at seeded random moments. Afterwards every event is
//! applied, no job is lost, and no row differs from the fake Stripe's.
//!
//! A failing run prints its seed; `MEMBERD_CHAOS_SEED=<seed>` repeats its decisions.

mod freeze;
mod kill;
mod operations;
mod outage;
mod queue;
mod walks;
mod webhooks;

use memberd_jobs::{args, kernel::db::Sql};

use crate::support::World;

/// The seed when none is given.
const SEED: u64 = 20_261_121;
/// The variable that gives another.
const VARIABLE: &str = "MEMBERD_CHAOS_SEED";

const JOINED_TWICE: Sql = Sql::both(
    "SELECT member_id FROM events WHERE type = 'audience.member_joined' GROUP BY member_id HAVING count(*) > 1",
);

/// The seed of this run; printed, so that a failure can be repeated.
fn seed() -> u64 {
    let given = std::env::var_os(VARIABLE);
    let seed = given.map_or(SEED, |text| text.to_str().unwrap().parse().unwrap());
    println!("{VARIABLE}={seed}");
    seed
}

/// What must hold when it is over: all of `events` applied, once, and the mirror equal to the truth.
async fn all_is_well(world: &World, events: i64) {
    world.settled().await;
    let deliveries = world.look("/stripe/deliveries").await;
    assert_eq!(deliveries["failed"], 0, "{deliveries}");
    assert_eq!(
        world.db.count("stripe_events").await,
        events,
        "{deliveries}"
    );
    assert_eq!(
        world
            .db
            .count("stripe_events WHERE state = 'applied'")
            .await,
        events
    );
    world.assert_mirror_equals_truth().await;
    let members = world.db.count("members").await;
    assert_eq!(world.db.count("customers").await, members);
    assert_eq!(
        world
            .db
            .count("events WHERE type = 'audience.member_joined'")
            .await,
        members
    );
    let twice: Vec<(String,)> = world.db.rows(JOINED_TWICE, args![]).await;
    assert!(twice.is_empty(), "joined twice: {twice:?}");
}
