//! The daemon: everything a process runs until it is told to stop, in the order in which it ends.

use std::sync::Arc;

use anyhow::Context as _;
use memberd_jobs::{
    kernel::{
        Env,
        outbox::{self, NewJob},
    },
    sync::PollEvents,
};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{health::Readiness, http, telemetry, wiring};
use crate::{
    config::{Config, DEFAULT_ORGANIZATION, Role},
    queue,
};

/// Serves until `stop`: first nothing new is taken, then running requests and jobs finish, within `shutdown.timeout`.
///
/// # Errors
/// When the address is taken or the database cannot be reached at the start. Once it runs, nothing but `stop` ends it.
pub async fn run(
    env: Env,
    config: &Config,
    metrics: PrometheusHandle,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let registry = Arc::new(wiring::registry());
    let readiness = Arc::new(Readiness::default());
    let options = wiring::queue_options(&env, &registry, config, Arc::clone(&readiness)).await?;
    let tracker = TaskTracker::new();
    if config.node.roles.contains(&Role::Api) {
        let listener = listen(config).await?;
        let state = http::state(&env, &registry, config, &readiness, &metrics)?;
        state.keys.remember(&env.db).await?;
        let ingest = wiring::ingest_env(&env, config).await?;
        let (config, stop) = (config.clone(), stop.clone());
        tracker.spawn(async move { http::serve(listener, state, ingest, &config, stop).await });
    }
    tracker.spawn(telemetry::upkeep(metrics, stop.clone()));
    let (draining, told) = (Arc::clone(&readiness), stop.clone());
    tracker.spawn(async move {
        told.cancelled().await;
        draining.drain();
    });
    if config.node.roles.contains(&Role::Scheduler) {
        catch_up(&env).await?;
    }
    let node = &options.node;
    tracing::info!(
        node = node.name,
        roles = node.roles,
        database = env.db.engine(),
        "memberd is running"
    );
    let timeout = config.shutdown.timeout;
    queue::run(env.clone(), registry, options, stop).await;
    tracker.close();
    if tokio::time::timeout(timeout, tracker.wait()).await.is_err() {
        tracing::warn!("requests outlast the shutdown and are cut off");
    }
    env.db.close().await;
    tracing::info!("memberd has stopped");
    Ok(())
}

/// What Stripe sent while nobody listened is asked for at once, not at the next tick.
async fn catch_up(env: &Env) -> anyhow::Result<()> {
    if !env
        .settings
        .organizations
        .values()
        .any(|organization| organization.has_stripe)
    {
        return Ok(());
    }
    let poll = NewJob::of(DEFAULT_ORGANIZATION, &PollEvents::default())?;
    outbox::enqueue_alone(env, poll).await?;
    Ok(())
}

async fn listen(config: &Config) -> anyhow::Result<TcpListener> {
    let address = config.server.listen;
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!(
            "cannot listen on {address}: is another memberd running? server.listen sets the address"
        )
    })?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    Ok(listener)
}
