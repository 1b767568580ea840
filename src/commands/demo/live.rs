//! The world after it was filled: it goes on until somebody stops it. Its clock stays the machine's: members whose
//! subscriptions begin tomorrow would rightly be told that they may not come in yet.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::{
    facts::text,
    screen::Screen,
    world::{World, number},
};

/// Pause between two small scenarios.
const SCENE_PAUSE: Duration = Duration::from_secs(4);
/// Events of one.
const SCENE_EVENTS: u64 = 6;
/// How fast they come.
const SCENE_RATE: u64 = 3;
/// One scene in so many plays in the other organization.
const OTHER_ONE_IN: u64 = 5;
/// Pause between two lines of status.
const STATUS_PAUSE: Duration = Duration::from_secs(10);

/// Plays on for ever. What fails is told and tried again: processes that died are noticed elsewhere.
pub(super) async fn live(world: &World, screen: &Screen) {
    let scenes = async {
        for scene in 1_u64.. {
            if let Err(error) = play(world, scene).await {
                screen.note(format!("  the world stumbled: {error:#}"));
            }
            tokio::time::sleep(SCENE_PAUSE).await;
        }
    };
    let statuses = async {
        let mut tick = interval_at(Instant::now() + STATUS_PAUSE, STATUS_PAUSE);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tick.tick().await;
            match status(world).await {
                Ok(line) => screen.say(line),
                Err(error) => screen.note(format!("  no status: {error:#}")),
            }
        }
    };
    tokio::join!(scenes, statuses);
}

async fn play(world: &World, scene: u64) -> anyhow::Result<()> {
    let town = &world.towns[usize::from(scene.is_multiple_of(OTHER_ONE_IN))];
    let body = json!({
        "name": "busy_day", "account": town.tenant.account, "events": SCENE_EVENTS,
        "rate_per_second": SCENE_RATE, "seed": world.seed.wrapping_add(scene),
    });
    world.sandbox.post("/stripe/scenario", &body).await?;
    Ok(())
}

/// One line: what there is at Stripe, and how the daemon keeps up.
async fn status(world: &World) -> anyhow::Result<String> {
    let truth = world.sandbox.get("/stripe/truth").await?;
    let deliveries = world.sandbox.get("/stripe/deliveries").await?;
    let clock = world.sandbox.get("/clock").await?;
    let counts = &truth["accounts"][&world.towns[0].tenant.account];
    let left = world.left().await?;
    let day = text(&clock, "rfc3339");
    Ok(format!(
        "  {} at Stripe: {} members, {} active subscriptions; webhooks {}, in {:.0} ms (99 of 100); jobs {} done, {} \
         to do",
        day.get(..16).unwrap_or(day).replace('T', " "),
        number(&counts["customer"])?,
        number(&counts["subscription_status"]["active"])?,
        number(&deliveries["delivered"])?,
        deliveries["latency_ms"]["p99"].as_f64().unwrap_or_default(),
        left.ended,
        left.jobs,
    ))
}
