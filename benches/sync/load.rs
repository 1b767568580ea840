//! The load: signed events over some connections, each sending the next event when its last one is answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use memberd_sandbox::signature;
use tokio_util::task::TaskTracker;

/// What came of a load.
#[derive(Debug)]
pub(crate) struct Answers {
    /// How long each answer took, in milliseconds, the shortest first.
    pub(crate) millis: Vec<f64>,
    /// From the first event to the last answer.
    pub(crate) took: Duration,
}

/// Sends all events; each must be answered with 200.
pub(crate) async fn send(
    url: &str,
    secret: &str,
    events: Vec<String>,
    connections: usize,
    now: i64,
) -> Answers {
    let events: Vec<_> = events
        .into_iter()
        .map(|body| (signature::header(secret, now, body.as_bytes()), body))
        .collect();
    let (events, next) = (Arc::new(events), Arc::new(AtomicUsize::new(0)));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let tasks = TaskTracker::new();
    let begun = Instant::now();
    let worker = || {
        let (events, next) = (Arc::clone(&events), Arc::clone(&next));
        let (http, url) = (http.clone(), url.to_owned());
        tasks.spawn(async move {
            let mut millis = Vec::new();
            while let Some((signed, body)) = events.get(next.fetch_add(1, Ordering::Relaxed)) {
                let since = Instant::now();
                let request = http.post(&url).header(signature::HEADER, signed);
                let answer = request
                    .header("content-type", "application/json; charset=utf-8")
                    .body(body.clone())
                    .send()
                    .await
                    .unwrap();
                let status = answer.status();
                let text = answer.text().await.unwrap();
                assert!(status == 200, "{status}: {text}");
                millis.push(since.elapsed().as_secs_f64() * 1_000.0);
            }
            millis
        })
    };
    let workers: Vec<_> = (0..connections).map(|_| worker()).collect();
    let mut millis = Vec::new();
    for worker in workers {
        millis.extend(worker.await.unwrap());
    }
    let took = begun.elapsed();
    millis.sort_by(f64::total_cmp);
    Answers { millis, took }
}
