//! The load: signed events of the fake Stripe.

use crate::{
    load::{self, Answers, Pace},
    support::{Daemon, World, webhook},
};

/// No daemon takes more events a second than this.
const FASTEST: u32 = 3_000;
/// Objects on a page of the sandbox's truth.
const PAGE: usize = 10_000;

/// The events that a pace can use up.
pub(crate) fn at_most(pace: &Pace) -> usize {
    let per_second = if pace.per_second == 0 {
        FASTEST
    } else {
        pace.per_second
    };
    usize::try_from(u64::from(per_second) * pace.time.as_secs()).unwrap()
}

/// The last events of the fake Stripe, as bodies.
pub(crate) async fn last(world: &World, wanted: usize) -> Vec<String> {
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

/// Sends and measures.
pub(crate) async fn send(daemon: &Daemon, pace: &Pace, events: Vec<String>) -> Answers {
    let (http, url) = (daemon.http.clone(), daemon.url("/webhooks/stripe"));
    load::run(pace, events.len(), move |number| {
        let body = events[number].clone();
        let request = http
            .post(&url)
            .header(
                memberd_sandbox::signature::HEADER,
                webhook::sign(body.as_bytes()),
            )
            .header("content-type", "application/json; charset=utf-8")
            .body(body);
        load::answered(request)
    })
    .await
}
