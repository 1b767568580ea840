//! The daemon itself: its queue, its schedules, its answers.

use std::{collections::BTreeSet, time::Duration};

use anyhow::bail;
use reqwest::StatusCode;
use tokio::time::Instant;

use super::{
    super::{
        facts::text,
        measured::Measured,
        world::{World, number},
    },
    compare::same,
};
use crate::runtime::wiring;

/// What 99 of 100 webhooks must be answered within, in milliseconds, also on a busy machine.
const WEBHOOK_P99_MS: f64 = 1_000.0;

/// How long a job that a schedule started just now may take to end.
const SETTLE: Duration = Duration::from_secs(10);

/// Every job has ended or waits for a time to come, and none was given up.
pub(super) async fn jobs_final(world: &World) -> anyhow::Result<String> {
    let give_up = Instant::now() + SETTLE;
    loop {
        let seen = jobs_final_now(world).await;
        if seen.is_ok() || Instant::now() >= give_up {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn jobs_final_now(world: &World) -> anyhow::Result<String> {
    let (mut ended, mut waiting) = (0, 0);
    for town in &world.towns {
        let counts = town.api.get("/v1/jobs/counts").await?;
        let total = &counts["total"];
        for state in ["available", "running", "retryable", "discarded"] {
            let count = number(&total[state])?;
            if count > 0 {
                bail!(
                    "{count} jobs of organization {} are {state}",
                    town.tenant.organization
                );
            }
        }
        ended += number(&total["completed"])? + number(&total["cancelled"])?;
        waiting += number(&total["scheduled"])?;
    }
    Ok(format!("{ended} ended, {waiting} wait for their time"))
}

/// Every running job belongs to a node that is there.
pub(super) async fn leases(world: &World) -> anyhow::Result<String> {
    let mut running = 0;
    // Only the keys of the first organization see the installation.
    let nodes = world.towns[0].api.whole("/v1/nodes").await?;
    let nodes: BTreeSet<&str> = nodes.iter().map(|node| text(node, "id")).collect();
    for town in &world.towns {
        for job in town.api.list("/v1/jobs?state=running").await? {
            if !nodes.contains(text(&job, "node")) {
                bail!("job {} runs on a node that is not there", text(&job, "id"));
            }
            running += 1;
        }
    }
    Ok(format!("{running} jobs are running"))
}

/// Webhooks were answered in time while they came at a busy pace: Stripe gives up on slow endpoints.
pub(super) fn webhooks_quick(measured: &Measured) -> anyhow::Result<String> {
    let (p50, p99) = (measured.webhook("p50")?, measured.webhook("p99")?);
    let figure = format!(
        "p50 {p50:.1} ms, p99 {p99:.1} ms of {}",
        measured.latency["count"]
    );
    if p99 > WEBHOOK_P99_MS {
        bail!("{figure}; at most {WEBHOOK_P99_MS} ms are allowed");
    }
    Ok(figure)
}

/// Every schedule in the code is in the database, with a time to come.
pub(super) async fn schedules_declared(world: &World) -> anyhow::Result<String> {
    let registry = wiring::registry();
    let schedules = world.towns[0].api.whole("/v1/schedules").await?;
    let names = schedules.iter().map(|schedule| text(schedule, "name"));
    let count = same(registry.schedules().map(|schedule| schedule.name), names)?;
    for schedule in &schedules {
        if schedule["next_due"].is_null() {
            bail!(
                "schedule {} will never fire: {schedule}",
                text(schedule, "name")
            );
        }
    }
    Ok(format!("{count} schedules"))
}

/// The daemon says that it is well.
pub(super) async fn healthy(world: &World) -> anyhow::Result<String> {
    let status = world.open.status("/readyz").await?;
    if status != StatusCode::OK {
        bail!("GET /readyz answers {status}");
    }
    Ok("GET /readyz answers 200".to_owned())
}
