//! The server loop: bounded connections, a time limit for headers, and an end that waits for what is under way.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body, http::Request};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use super::rates::Peer;

/// Pause after the listener failed, usually because the process has no file handles left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bytes of a request's headers.
const HEADER_BYTES_MAX: usize = 32 * 1024;

/// Bounds of the server loop.
#[derive(Clone, Copy, Debug)]
pub struct ServeLimits {
    /// Time a connection has to send the headers of its next request; an idle one is closed after it.
    pub header_timeout: Duration,
    /// Open connections; more wait in the system's queue.
    pub connections_max: usize,
    /// Time that requests under way have when the server stops.
    pub drain: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            connections_max: 1_000,
            drain: Duration::from_secs(10),
        }
    }
}

/// Serves until `stop`, then lets requests under way finish, and returns.
///
/// It speaks HTTP/1.1: the other protocol cannot be told from a half-sent greeting without a second time limit, and
/// proxies speak HTTP/1.1 to what is behind them.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ServeLimits,
    stop: CancellationToken,
) {
    let mut http = auto::Builder::new(TokioExecutor::new()).http1_only();
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(HEADER_BYTES_MAX);
    let slots = Arc::new(Semaphore::new(limits.connections_max));
    let graceful = GracefulShutdown::new();
    let connections = TaskTracker::new();
    let cut = CancellationToken::new();
    while let Some((stream, peer)) = stop.run_until_cancelled(accept(&listener)).await {
        let Some(Ok(slot)) = stop
            .run_until_cancelled(Arc::clone(&slots).acquire_owned())
            .await
        else {
            break;
        };
        let service = router
            .clone()
            .map_request(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(peer);
                request.map(Body::new)
            });
        let service = TowerToHyperService::new(service);
        let connection = http
            .serve_connection(TokioIo::new(stream), service)
            .into_owned();
        let watched = graceful.watch(connection);
        let cut = cut.clone();
        connections.spawn(async move {
            if let Some(Err(error)) = cut.run_until_cancelled(watched).await {
                tracing::debug!(error, "a connection ended early");
            }
            drop(slot);
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(limits.drain, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!(
            open = connections.len(),
            "connections are cut: they did not finish in time"
        );
        cut.cancel();
        connections.wait().await;
    }
}

/// The next connection, however long it takes.
async fn accept(listener: &TcpListener) -> (TcpStream, Peer) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Answers are small and complete: waiting to fill a packet only delays them.
                let _: Result<(), std::io::Error> = stream.set_nodelay(true);
                return (stream, Peer(peer.ip()));
            }
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
