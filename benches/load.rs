//! A load: requests at a pace that does not wait for answers, or over some connections as fast as it goes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio_util::task::TaskTracker;

/// How fast.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Requests a second; 0 is as many as it takes.
    pub(crate) per_second: u32,
    /// Connections, when as many as it takes.
    pub(crate) connections: usize,
    /// How long.
    pub(crate) time: Duration,
}

/// What came of a load.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// From the moment at which each request should be sent to the end of its answer.
    pub(crate) times: Vec<Duration>,
    /// Answers other than those wanted, and none.
    pub(crate) failed: usize,
    /// From the first request to the last answer.
    pub(crate) took: Duration,
}

/// Sends at most so many requests, each by its number, and measures; `ask` tells whether the answer was the wanted one.
pub(crate) async fn run<S, F>(pace: &Pace, requests: usize, ask: S) -> Answers
where
    S: Fn(usize) -> F + Send + Sync + 'static,
    F: Future<Output = bool> + Send,
{
    let sender = Arc::new(Sender {
        ask,
        requests,
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

struct Sender<S> {
    ask: S,
    requests: usize,
    next: AtomicUsize,
}

impl<S, F> Sender<S>
where
    S: Fn(usize) -> F + Send + Sync + 'static,
    F: Future<Output = bool> + Send,
{
    /// Sends the next request; `None` when there is none left, `Some(None)` when its answer was another one.
    async fn next(&self, since: Instant) -> Option<Option<Duration>> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if number >= self.requests {
            return None;
        }
        let taken = (self.ask)(number).await;
        Some(taken.then(|| since.elapsed()))
    }
}

/// Each request has its moment, whatever became of those before; its time counts from then.
async fn open<S, F>(
    sender: &Arc<Sender<S>>,
    per_second: u32,
    begun: Instant,
) -> Vec<Option<Duration>>
where
    S: Fn(usize) -> F + Send + Sync + 'static,
    F: Future<Output = bool> + Send,
{
    let tasks = TaskTracker::new();
    let mut sent = Vec::new();
    for number in 0..u32::try_from(sender.requests).unwrap() {
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

/// Each connection sends the next request when the last one is answered.
async fn closed<S, F>(sender: &Arc<Sender<S>>, pace: &Pace, begun: Instant) -> Vec<Option<Duration>>
where
    S: Fn(usize) -> F + Send + Sync + 'static,
    F: Future<Output = bool> + Send,
{
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

/// Whether the whole answer came, and was a 200.
pub(crate) async fn answered(request: reqwest::RequestBuilder) -> bool {
    let answer = async {
        let answer = request.send().await?;
        let status = answer.status();
        answer.bytes().await?;
        Ok::<_, reqwest::Error>(status)
    };
    answer.await.is_ok_and(|status| status == 200)
}
