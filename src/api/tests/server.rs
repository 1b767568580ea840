//! The server loop: half-sent requests, too many connections, and stopping.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, routing::get};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::api::{ServeLimits, serve};

const PATIENCE: Duration = Duration::from_secs(5);

const LIMITS: ServeLimits = ServeLimits {
    header_timeout: Duration::from_millis(100),
    connections_max: 10,
    drain: Duration::from_millis(300),
};

async fn start(
    router: Router,
    limits: ServeLimits,
) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let served = TaskTracker::new().spawn(serve(listener, router, limits, stop.clone()));
    (address, stop, served)
}

fn hello() -> Router {
    Router::new().route("/", get(async || "hello"))
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let read = timeout(PATIENCE, stream.read_to_string(&mut text)).await;
    let _: usize = read.expect("the connection stays open").unwrap_or(0);
    text
}

#[tokio::test]
async fn half_sent_requests_and_silent_connections_are_closed() {
    let (address, stop, served) = start(hello(), LIMITS).await;
    for half in [
        "",
        "GET / HT",
        "GET / HTTP/1.1\r\nHost: x\r\n",
        "PRI * HTTP/2.0\r\n",
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(half.as_bytes()).await.unwrap();
        let text = read_all(&mut stream).await;
        assert!(!text.contains("200 OK"), "{half:?}: {text}");
    }
    stop.cancel();
    timeout(PATIENCE, served).await.unwrap().unwrap();
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_their_turn() {
    let limits = ServeLimits {
        connections_max: 1,
        ..LIMITS
    };
    let (address, stop, served) = start(hello(), limits).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    second.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(read_all(&mut silent).await, "");
    assert!(read_all(&mut second).await.ends_with("hello"));
    stop.cancel();
    timeout(PATIENCE, served).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stop_lets_requests_finish_and_cuts_what_hangs() {
    let (begun, mut has_begun) = tokio::sync::mpsc::channel(2);
    let (release, released) = oneshot::channel::<()>();
    let released = std::sync::Arc::new(tokio::sync::Mutex::new(Some(released)));
    let finishing = {
        let begun = begun.clone();
        get(async move || {
            begun.send(()).await.unwrap();
            let released = released.lock().await.take().unwrap();
            released.await.unwrap();
            "finished"
        })
    };
    let hanging = get(async move || {
        begun.send(()).await.unwrap();
        std::future::pending::<&str>().await
    });
    let router = Router::new()
        .route("/finish", finishing)
        .route("/hang", hanging);
    let (address, stop, served) = start(router, LIMITS).await;
    let mut streams = Vec::new();
    for path in ["/finish", "/hang"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        timeout(PATIENCE, has_begun.recv()).await.unwrap().unwrap();
        streams.push(stream);
    }
    stop.cancel();
    release.send(()).unwrap();
    assert!(read_all(&mut streams[0]).await.contains("finished"));
    assert_eq!(read_all(&mut streams[1]).await, "");
    timeout(PATIENCE, served).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}
