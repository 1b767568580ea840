//! The mirror: objects, events and members against the sandbox's truth.

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::{
    super::{
        facts::{Told, customer_of, is_deleted, text},
        world::{Town, World},
    },
    compare::{same, some},
};

/// `GET /v1/sync/diff` finds nothing; and, without trusting it, ids and statuses are the same on both sides.
pub(super) async fn equals_stripe(world: &World, told: &[Told; 2]) -> anyhow::Result<String> {
    let mut objects = 0;
    for (town, told) in world.towns.iter().zip(told) {
        let name = town.tenant.organization;
        let diff = town.api.get("/v1/sync/diff").await?;
        let drift = diff["drift"].as_array().into_iter().flatten();
        if let Some(found) = some("different", drift.map(|one| text(one, "id"))) {
            bail!("organization {name}: {found}");
        }
        if diff["equal"] != Value::Bool(true) {
            bail!("organization {name}: GET /v1/sync/diff does not say equal: {diff}");
        }
        for (kind, list) in [
            ("subscription", &told.subscriptions),
            ("invoice", &told.invoices),
        ] {
            let truth = town_truth(world, town, kind).await?;
            objects += same(
                pairs(&truth).iter().map(String::as_str),
                pairs(list).iter().map(String::as_str),
            )
            .with_context(|| format!("{kind}s of organization {name}"))?;
        }
    }
    Ok(format!("{objects} subscriptions and invoices"))
}

/// Every event was stored once, and none waits or failed.
pub(super) async fn events_applied(world: &World) -> anyhow::Result<String> {
    let mut count = 0;
    for town in &world.towns {
        let made = world.sandbox.truth(&town.tenant.account, "event").await?;
        let stored = town.api.list("/v1/stripe-events").await?;
        let name = town.tenant.organization;
        count += same(ids(&made), ids(&stored))
            .with_context(|| format!("events of organization {name}"))?;
        let open = stored
            .iter()
            .filter(|event| ["new", "failed"].contains(&text(event, "state")));
        if let Some(found) = some("new or failed", open.map(|event| text(event, "id"))) {
            bail!("organization {name}: {found}");
        }
    }
    Ok(format!("{count} events"))
}

/// One member for each customer that is not deleted.
pub(super) async fn members_follow(world: &World, told: &[Told; 2]) -> anyhow::Result<String> {
    let mut count = 0;
    for (town, told) in world.towns.iter().zip(told) {
        let customers = town_truth(world, town, "customer").await?;
        let members = told.members.iter().filter_map(customer_of);
        count += same(ids(&customers), members)
            .with_context(|| format!("members of organization {}", town.tenant.organization))?;
    }
    Ok(format!("{count} members"))
}

/// The living objects of a town's account.
pub(super) async fn town_truth(
    world: &World,
    town: &Town,
    kind: &str,
) -> anyhow::Result<Vec<Value>> {
    let mut all = world.sandbox.truth(&town.tenant.account, kind).await?;
    all.retain(|object| !is_deleted(object));
    Ok(all)
}

fn ids(objects: &[Value]) -> impl Iterator<Item = &str> {
    objects.iter().map(|object| text(object, "id"))
}

fn pairs(objects: &[Value]) -> Vec<String> {
    objects
        .iter()
        .map(|object| format!("{} {}", text(object, "id"), text(object, "status")))
        .collect()
}
