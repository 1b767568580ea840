//! The load: signed events at a pace that does not wait for answers, or over some connections as fast as it goes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio_util::task::TaskTracker;

use crate::support::{Daemon, World, webhook};

/// No daemon takes more events a second than this.
const FASTEST: u32 = 3_000;
/// Objects on a page of the sandbox's truth.
const PAGE: usize = 10_000;

/// How fast.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Events a second; 0 is as many as it takes.
    pub(crate) per_second: u32,
    /// Connections, when as many as it takes.
    pub(crate) connections: usize,
    /// How long.
    pub(crate) time: Duration,
}

impl Pace {
    /// The events it can use up.
    pub(crate) fn events_at_most(&self) -> usize {
        let per_second = if self.per_second == 0 {
            FASTEST
        } else {
            self.per_second
        };
        usize::try_from(u64::from(per_second) * self.time.as_secs()).unwrap()
    }
}

/// The last events of the fake Stripe, as bodies.
pub(crate) async fn events(world: &World, wanted: usize) -> Vec<String> {
    let mut bodies = Vec::new();
    let mut after = String::new();
    loop {
        let page = world
            .look(&format!("/stripe/truth?type=event&limit={PAGE}{after}"))
            .await;
        let data = page["data"].as_array().unwrap();
        bodies.extend(data.iter().map(ToString::to_string));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        after = format!("&after={next}");
    }
    bodies.split_off(bodies.len().saturating_sub(wanted))
}

/// What came of a load.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// From the moment at which each event should be sent to the end of its answer.
    pub(crate) times: Vec<Duration>,
    /// Answers other than 200, and none.
    pub(crate) failed: usize,
    /// From the first event to the last answer.
    pub(crate) took: Duration,
}

/// Sends and measures.
pub(crate) async fn run(daemon: &Daemon, pace: &Pace, events: Vec<String>) -> Answers {
    let sender = Arc::new(Sender {
        http: daemon.http.clone(),
        url: daemon.url("/webhooks/stripe"),
        events,
        next: AtomicUsize::new(0),
    });
    let begun = Instant::now();
    let sent = match pace.per_second {
        0 => closed(&sender, pace, begun).await,
        per_second => open(&sender, per_second, begun).await,
    };
    let mut answers = Answers {
        took: begun.elapsed(),
        ..Answers::default()
    };
    for one in sent {
        match one {
            Some(time) => answers.times.push(time),
            None => answers.failed += 1,
        }
    }
    answers
}

struct Sender {
    http: reqwest::Client,
    url: String,
    events: Vec<String>,
    next: AtomicUsize,
}

impl Sender {
    /// Sends the next event; `None` when there is none left, `Some(None)` when it was not taken.
    async fn next(&self, since: Instant) -> Option<Option<Duration>> {
        let body = self.events.get(self.next.fetch_add(1, Ordering::Relaxed))?;
        let request = self
            .http
            .post(&self.url)
            .header(
                memberd_sandbox::signature::HEADER,
                webhook::sign(body.as_bytes()),
            )
            .header("content-type", "application/json; charset=utf-8")
            .body(body.clone());
        let answer = async {
            let answer = request.send().await?;
            let status = answer.status();
            answer.bytes().await?;
            Ok::<_, reqwest::Error>(status)
        };
        let taken = answer.await.is_ok_and(|status| status == 200);
        Some(taken.then(|| since.elapsed()))
    }
}

/// Each event has its moment, whatever became of those before; its time counts from then.
async fn open(sender: &Arc<Sender>, per_second: u32, begun: Instant) -> Vec<Option<Duration>> {
    let tasks = TaskTracker::new();
    let mut sent = Vec::new();
    for number in 0..u32::try_from(sender.events.len()).unwrap() {
        let due = begun + Duration::from_secs(1) * number / per_second;
        tokio::time::sleep_until(due.into()).await;
        let sender = Arc::clone(sender);
        sent.push(tasks.spawn(async move { sender.next(due).await }));
    }
    let mut times = Vec::new();
    for one in sent {
        times.extend(one.await.unwrap());
    }
    times
}

/// Each connection sends the next event when the last one is answered.
async fn closed(sender: &Arc<Sender>, pace: &Pace, begun: Instant) -> Vec<Option<Duration>> {
    let tasks = TaskTracker::new();
    let end = begun + pace.time;
    let worker = || {
        let sender = Arc::clone(sender);
        tasks.spawn(async move {
            let mut times = Vec::new();
            while Instant::now() < end
                && let Some(time) = sender.next(Instant::now()).await
            {
                times.push(time);
            }
            times
        })
    };
    let workers: Vec<_> = (0..pace.connections).map(|_| worker()).collect();
    let mut times = Vec::new();
    for worker in workers {
        times.extend(worker.await.unwrap());
    }
    times
}
