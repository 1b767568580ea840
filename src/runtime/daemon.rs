//! The daemon: everything a process runs until it is told to stop, in the order in which it ends.

use std::sync::Arc;

use anyhow::Context as _;
use memberd_jobs::kernel::Env;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{http, telemetry, wiring};
use crate::{
    api::{self, Readiness},
    config::{Config, Role},
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
        let state = http::api_state(&env, config, &registry, &readiness, metrics.clone());
        let routes = http::routes(config, &state);
        let limits = http::serve_limits(config);
        let told = stop.clone();
        tracker.spawn(async move {
            api::serve(listener, routes, limits, told).await;
            // What requests began and did not wait for.
            state.tasks.close();
            state.tasks.wait().await;
        });
    }
    tracker.spawn(telemetry::upkeep(metrics, stop.clone()));
    let (draining, told) = (Arc::clone(&readiness), stop.clone());
    tracker.spawn(async move {
        told.cancelled().await;
        draining.drain();
    });
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
