//! Attempts against a server of this process.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Path,
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::{any, post},
};
use memberd_jobs::kernel::ports::{Receivers as _, SendError};
use tokio::{net::TcpListener, task::JoinSet};

use super::{AT, attempt, made_from, sender};
use crate::webhooks_out::signature::{Headers, Secret};

/// The local server may be sent to.
const LOCAL: [&str; 1] = ["127.0.0.0/8"];
/// Bytes that an endless answer is made of at a time.
const PART: usize = 4096;
/// Bytes: more than the buffers between a receiver and us hold, and less than comes through them within the timeout.
const MUCH: usize = 32 * 1024 * 1024;

/// A server that answers with the status in its path; the tests that ask it for more add routes.
async fn server(tasks: &mut JoinSet<()>, routes: Router) -> SocketAddr {
    let with_status = any(async |Path(status): Path<u16>| {
        let location = ("location", "http://127.0.0.1:1/elsewhere");
        (
            StatusCode::from_u16(status).unwrap(),
            [location, ("retry-after", "120")],
            "text",
        )
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let all = routes.route("/status/{status}", with_status);
    tasks.spawn(async move { axum::serve(listener, all).await.unwrap() });
    address
}

#[tokio::test]
async fn an_event_is_signed_with_every_secret() {
    let mut tasks = JoinSet::new();
    let (told, mut heard) = tokio::sync::mpsc::channel::<(HeaderMap, Bytes)>(1);
    let hook = post(async move |headers: HeaderMap, body: Bytes| {
        told.send((headers, body)).await.unwrap();
    });
    let address = server(&mut tasks, Router::new().route("/hook", hook)).await;
    let (sender, _) = sender(&LOCAL);
    let answer = attempt(&sender, &format!("http://{address}/hook")).await;
    assert_eq!((answer.status, answer.retry_after), (Ok(200), None));
    let (headers, body) = heard.recv().await.unwrap();
    let header = |name: &str| headers[name].to_str().unwrap();
    assert_eq!(
        (header("content-type"), header("webhook-id")),
        ("application/json", "evt_1")
    );
    assert!(header("user-agent").starts_with("memberd/"));
    let given = Headers {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
    };
    for salt in ["a", "b"] {
        let secret = Secret::parse(&sender.reveal(&made_from(salt)).unwrap()).unwrap();
        assert_eq!(secret.verify(&given, &body, AT), Ok(AT), "{salt}");
    }
    let strange = Secret::parse(&sender.reveal(&made_from("c")).unwrap()).unwrap();
    assert!(strange.verify(&given, &body, AT).is_err());
}

#[tokio::test]
async fn statuses_are_answered_as_they_are_and_no_redirect_is_followed() {
    let mut tasks = JoinSet::new();
    let address = server(&mut tasks, Router::new()).await;
    let (sender, _) = sender(&LOCAL);
    for status in [200, 204, 301, 302, 307, 308, 404, 410, 429, 500] {
        let answer = attempt(&sender, &format!("http://{address}/status/{status}")).await;
        assert_eq!(answer.status, Ok(status));
        assert_eq!(answer.retry_after, Some(Duration::from_mins(2)));
    }
}

#[tokio::test]
async fn a_large_answer_counts_by_its_status_and_is_not_read_to_its_end() {
    let mut tasks = JoinSet::new();
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    let endless = post(async move || {
        let parts = futures::stream::repeat_with(move || {
            count.fetch_add(PART, Ordering::Relaxed);
            Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; PART]))
        });
        Response::new(Body::from_stream(parts))
    });
    let address = server(&mut tasks, Router::new().route("/endless", endless)).await;
    let (sender, _) = sender(&LOCAL);
    let answer = attempt(&sender, &format!("http://{address}/endless")).await;
    assert_eq!(answer.status, Ok(200));
    let written = written.load(Ordering::Relaxed);
    assert!(written < MUCH, "{written} bytes");
}

#[tokio::test]
async fn no_server_and_a_silent_one_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (mut impatient, _) = sender(&LOCAL);
    impatient.timeout = Duration::from_millis(100);
    assert_eq!(
        attempt(&impatient, &format!("http://{address}/"))
            .await
            .status,
        Err(SendError::Timeout)
    );
    drop(listener);
    assert_eq!(
        attempt(&impatient, &format!("http://{address}/"))
            .await
            .status,
        Err(SendError::Unreachable)
    );
}

#[tokio::test]
async fn a_name_is_connected_to_by_the_address_that_was_looked_at() {
    let mut tasks = JoinSet::new();
    let address = server(&mut tasks, Router::new()).await;
    let (sender, names) = sender(&LOCAL);
    let url = format!("http://receiver.example:{}/status/202", address.port());
    // One of its addresses is refused, so the other is used.
    names.set("receiver.example", &["10.0.0.1", "127.0.0.1"]);
    assert_eq!(attempt(&sender, &url).await.status, Ok(202));
    names.set("elsewhere.example", &["10.0.0.1"]);
    let url = format!("http://elsewhere.example:{}/status/202", address.port());
    assert_eq!(
        attempt(&sender, &url).await.status,
        Err(SendError::NotAllowed)
    );
}
