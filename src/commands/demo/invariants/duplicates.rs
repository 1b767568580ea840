//! Webhooks that come again: Stripe delivers at least once.

use anyhow::bail;
use serde_json::{Value, json};

use super::super::{
    digest::digest,
    facts::{Told, text},
    screen::Screen,
    world::{Town, World},
};

/// So many events are sent twice again, in their order.
const REPLAYED: usize = 50;
/// So many come again in a mixed-up round, newest first.
const ROUND: usize = 100;

/// The digest is the same after events were sent again, in order and newest first.
pub(super) async fn change_nothing(world: &World, screen: &Screen) -> anyhow::Result<String> {
    let before = whole(world).await?;
    let mut sent = 0;
    for town in &world.towns {
        let events = world.sandbox.truth(&town.tenant.account, "event").await?;
        for event in evenly(&events, REPLAYED) {
            sent += replay(world, town, event, 2).await?;
        }
        for event in evenly(&events, ROUND).rev() {
            sent += replay(world, town, event, 1).await?;
        }
    }
    world.settle(screen, "applying duplicates").await?;
    let after = whole(world).await?;
    if after != before {
        bail!("the digest was {before} and is {after} after {sent} duplicates");
    }
    Ok(format!("{sent} duplicates"))
}

async fn whole(world: &World) -> anyhow::Result<String> {
    let told = Told::both(world).await?;
    Ok(of(world, &told))
}

/// The digest of both organizations.
pub(in super::super) fn of(world: &World, told: &[Told; 2]) -> String {
    let names = world.towns.iter().map(|town| town.tenant.organization);
    digest(names.zip(told))
}

async fn replay(world: &World, town: &Town, event: &Value, times: u64) -> anyhow::Result<usize> {
    let id = text(event, "id");
    let body = json!({"event": id, "times": times, "account": town.tenant.account});
    let answer = world.sandbox.post("/stripe/replay", &body).await?;
    let sent = answer["sent"].as_array().map_or(&[][..], Vec::as_slice);
    for one in sent {
        if one["status"] != json!(200) {
            bail!("{id} sent again was answered with {one}");
        }
    }
    Ok(sent.len())
}

/// At most `most` of them, from the whole length of the list.
fn evenly(events: &[Value], most: usize) -> impl DoubleEndedIterator<Item = &Value> {
    let step = events.len().div_ceil(most).max(1);
    let chosen: Vec<&Value> = events.iter().step_by(step).collect();
    chosen.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_spans_the_list() {
        let events: Vec<Value> = (0..95).map(Value::from).collect();
        let chosen: Vec<&Value> = evenly(&events, 10).collect();
        assert_eq!(
            (chosen.len(), chosen[0], chosen[9]),
            (10, &json!(0), &json!(90))
        );
        assert_eq!(evenly(&events[..3], 10).count(), 3);
        assert_eq!(evenly(&[], 10).count(), 0);
    }
}
