//! Sends deliveries: signed, several at a time, begun in order, again until answered with 2xx.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc::UnboundedReceiver},
    time::Instant,
};

use super::Delivery;
use crate::{
    clock::real_seconds,
    faults::{Fault, Mode, Target},
    signature,
    state::Shared,
};

/// How many requests are under way at once.
const CONCURRENCY: usize = 64;
/// How long the daemon may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Pauses after the first failures; the last one repeats.
const BACKOFF: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
];
/// After so many attempts a delivery is given up (about 50 minutes).
const MAX_ATTEMPTS: u32 = 100;

/// Takes deliveries from the queue until the sandbox ends.
pub(crate) async fn run(shared: Arc<Shared>, mut queue: UnboundedReceiver<Delivery>) {
    let permits = Arc::new(Semaphore::new(CONCURRENCY));
    loop {
        let delivery = tokio::select! {
            () = shared.stop.cancelled() => return,
            delivery = queue.recv() => delivery,
        };
        let Some(delivery) = delivery else { return };
        if delivery.delay.is_zero() {
            // Waiting for the permit here keeps the order of beginning.
            let Some(permit) = permit(&shared, &permits).await else {
                return;
            };
            shared.tasks.spawn(deliver(
                Arc::clone(&shared),
                delivery,
                Arc::clone(&permits),
                Some(permit),
            ));
        } else {
            shared.tasks.spawn(deliver(
                Arc::clone(&shared),
                delivery,
                Arc::clone(&permits),
                None,
            ));
        }
    }
}

/// The right to send; `None` when the sandbox ends.
async fn permit(shared: &Shared, permits: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    tokio::select! {
        () = shared.stop.cancelled() => None,
        permit = Arc::clone(permits).acquire_owned() => permit.ok(),
    }
}

/// Brings one delivery to its end.
async fn deliver(
    shared: Arc<Shared>,
    mut delivery: Delivery,
    permits: Arc<Semaphore>,
    mut first: Option<OwnedSemaphorePermit>,
) {
    let mut wait = delivery.delay;
    while delivery.attempts < MAX_ATTEMPTS {
        if !wait.is_zero() && !shared.pause(wait).await {
            return;
        }
        let held = match first.take() {
            Some(held) => held,
            None => match permit(&shared, &permits).await {
                Some(held) => held,
                None => return,
            },
        };
        let outcome = tokio::select! {
            () = shared.stop.cancelled() => return,
            outcome = attempt(&shared, &delivery) => outcome,
        };
        drop(held);
        if book(&shared, &delivery, outcome) {
            return;
        }
        let failures = usize::try_from(delivery.attempts).unwrap_or(usize::MAX);
        wait = BACKOFF
            .get(failures)
            .copied()
            .unwrap_or(BACKOFF[BACKOFF.len() - 1]);
        delivery.attempts += 1;
    }
    shared.lock().hooks.stats.failed += 1;
}

/// What one attempt came to.
enum Outcome {
    /// 2xx.
    Delivered,
    /// Try again.
    Failed(String),
    /// Never try again.
    Lost,
}

/// Counts an attempt; answers whether the delivery is over.
fn book(shared: &Shared, delivery: &Delivery, outcome: Outcome) -> bool {
    let stats = &mut shared.lock().hooks.stats;
    stats.attempts += 1;
    match outcome {
        Outcome::Delivered => {
            stats.delivered += 1;
            true
        }
        Outcome::Lost => {
            stats.dropped += 1;
            stats.planned = stats.planned.saturating_sub(1);
            true
        }
        Outcome::Failed(why) => {
            stats.attempts_failed += 1;
            tracing::debug!(event = %delivery.event, attempt = delivery.attempts, %why, "delivery failed");
            stats.last_error = Some(why);
            false
        }
    }
}

async fn attempt(shared: &Shared, delivery: &Delivery) -> Outcome {
    let path = url_path(&delivery.url);
    let fault = shared.lock().faults.hit(Target::Webhooks, "POST", path);
    match fault {
        None => sent(send(shared, delivery, 0).await),
        Some(fault) => faulty(shared, delivery, &fault).await,
    }
}

async fn faulty(shared: &Shared, delivery: &Delivery, fault: &Fault) -> Outcome {
    let delay = Duration::from_millis(fault.delay_ms);
    let failed = |what: &str| Outcome::Failed(format!("fault: {what}"));
    match fault.mode {
        Mode::Refuse => failed("refused"),
        Mode::Status | Mode::Html => failed(&format!("status {}", fault.status)),
        Mode::Drop => Outcome::Lost,
        Mode::Timeout => {
            tokio::time::sleep(delay).await;
            failed("timeout")
        }
        Mode::TimeoutAfterSuccess => {
            let sent = send(shared, delivery, 0).await;
            failed(&format!("timeout after {sent:?}"))
        }
        Mode::Slow => {
            tokio::time::sleep(delay).await;
            sent(send(shared, delivery, 0).await)
        }
    }
}

fn sent(result: Result<u16, String>) -> Outcome {
    match result {
        Ok(200..=299) => Outcome::Delivered,
        Ok(status) => Outcome::Failed(format!("status {status}")),
        Err(error) => Outcome::Failed(error),
    }
}

/// Signs with the time of `age` seconds ago and sends; answers the daemon's status.
pub(crate) async fn send(shared: &Shared, delivery: &Delivery, age: i64) -> Result<u16, String> {
    let body = delivery.body.as_bytes().to_vec();
    let signature = signature::header(&delivery.secret, real_seconds() - age, &body);
    let begun = Instant::now();
    let request = shared
        .client
        .post(&delivery.url)
        .header("content-type", "application/json; charset=utf-8")
        .header(
            "user-agent",
            "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        )
        .header(signature::HEADER, signature)
        .timeout(TIMEOUT)
        .body(body);
    // The whole answer is read, so that the connection can be used again.
    let result = async {
        let response = request.send().await?;
        let status = response.status().as_u16();
        response.bytes().await?;
        Ok::<u16, reqwest::Error>(status)
    };
    let status = result.await.map_err(|error| chain(&error))?;
    shared.lock().hooks.stats.answered(begun.elapsed());
    Ok(status)
}

/// An error with its causes, on one line and without the address.
fn chain(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() {
        "timeout".to_owned()
    } else {
        "no answer".to_owned()
    };
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The path of an URL, `/` when it has none.
fn url_path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("/", |at| &rest[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_an_url_is_what_follows_the_host() {
        assert_eq!(
            url_path("http://127.0.0.1:1/webhooks/stripe"),
            "/webhooks/stripe"
        );
        assert_eq!(url_path("http://127.0.0.1:1"), "/");
    }
}
