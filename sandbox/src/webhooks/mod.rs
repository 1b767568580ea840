//! Webhooks: which event goes where, and what the chaos knobs make of it. [`deliver`] sends.

pub(crate) mod deliver;
mod stats;

use std::{sync::Arc, time::Duration};

use rand::{RngExt, rngs::StdRng, seq::SliceRandom};
use tokio::{sync::mpsc::UnboundedSender, time::Instant};

use self::stats::Stats;
use crate::{account::Account, ids::stream};

/// How long a half-full shuffle window waits for more before it is sent.
const SHUFFLE_PATIENCE: Duration = Duration::from_millis(200);
/// The largest shuffle window.
pub(crate) const MAX_SHUFFLE: u64 = 10_000;

/// What shall happen to deliveries on their way. All decisions come from the seed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Chaos {
    /// Probability (0 to 1) that a delivery is sent twice.
    pub duplicate: f64,
    /// Deliveries are mixed within windows of this size; 0 or 1 keeps their order.
    pub shuffle: usize,
    /// Each delivery waits a random time up to so many milliseconds.
    pub delay_ms: u64,
    /// Probability (0 to 1) that a delivery is never sent.
    pub drop: f64,
}

/// Where an account's events go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// `we_…`
    pub(crate) id: String,
    /// Of the daemon.
    pub(crate) url: String,
    /// Signs.
    pub(crate) secret: String,
    /// Event types, `*` for all.
    pub(crate) events: Vec<String>,
    /// Whether it belongs to the account's platform: events then name the account.
    pub(crate) connect: bool,
}

impl Endpoint {
    /// Whether an event type is sent here.
    pub(crate) fn wants(&self, kind: &str) -> bool {
        self.events
            .iter()
            .any(|wanted| wanted == "*" || wanted == kind)
    }

    /// An event of the account as it is sent here.
    pub(crate) fn body(&self, account: &str, event: &Arc<str>) -> Arc<str> {
        match event.strip_prefix('{') {
            Some(rest) if self.connect => Arc::from(format!(r#"{{"account":"{account}",{rest}"#)),
            _ => Arc::clone(event),
        }
    }
}

/// One event on its way to one endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    /// `evt_…`, for the log.
    pub(crate) event: String,
    /// The bytes to sign and send.
    pub(crate) body: Arc<str>,
    /// Where to.
    pub(crate) url: String,
    /// Signs.
    pub(crate) secret: String,
    /// How often it was tried.
    pub(crate) attempts: u32,
    /// Wait so long before the first attempt.
    pub(crate) delay: Duration,
}

/// Plans deliveries and counts them.
#[derive(Debug)]
pub(crate) struct Hooks {
    /// The knobs.
    pub(crate) chaos: Chaos,
    /// The counts.
    pub(crate) stats: Stats,
    rng: StdRng,
    window: Vec<Delivery>,
    window_since: Option<Instant>,
    queue: UnboundedSender<Delivery>,
}

impl Hooks {
    /// Sends what it plans into the queue.
    pub(crate) fn new(seed: u64, chaos: Chaos, queue: UnboundedSender<Delivery>) -> Self {
        Self {
            chaos,
            stats: Stats::default(),
            rng: stream(seed, "webhooks"),
            window: Vec::new(),
            window_since: None,
            queue,
        }
    }

    /// Takes the account's fresh events and plans their deliveries.
    pub(crate) fn take_events(&mut self, account: &mut Account) {
        for event in account.fresh.drain(..) {
            self.stats.events += 1;
            for endpoint in account
                .endpoints
                .iter()
                .filter(|endpoint| endpoint.wants(&event.kind))
            {
                let delivery = Delivery {
                    event: event.id.clone(),
                    body: endpoint.body(&account.id, &event.body),
                    url: endpoint.url.clone(),
                    secret: endpoint.secret.clone(),
                    attempts: 0,
                    delay: Duration::ZERO,
                };
                self.plan(&delivery);
            }
        }
    }

    fn plan(&mut self, delivery: &Delivery) {
        // The same number of draws for every delivery, so that one knob does not move another.
        let (dropped, doubled) = (self.rng.random::<f64>(), self.rng.random::<f64>());
        let waits: [f64; 2] = [self.rng.random(), self.rng.random()];
        if dropped < self.chaos.drop {
            self.stats.dropped += 1;
            return;
        }
        let copies = if doubled < self.chaos.duplicate { 2 } else { 1 };
        self.stats.duplicated += u64::from(copies == 2);
        let longest = Duration::from_millis(self.chaos.delay_ms);
        for wait in &waits[..copies] {
            self.stats.planned += 1;
            let copy = Delivery {
                delay: longest.mul_f64(*wait),
                ..delivery.clone()
            };
            if self.chaos.shuffle > 1 {
                self.window.push(copy);
                self.window_since = Some(Instant::now());
                if self.window.len() >= self.chaos.shuffle {
                    self.send_window();
                }
            } else {
                self.send(copy);
            }
        }
    }

    /// Mixes and sends the window.
    pub(crate) fn send_window(&mut self) {
        let mut window = std::mem::take(&mut self.window);
        self.window_since = None;
        window.shuffle(&mut self.rng);
        for delivery in window {
            self.send(delivery);
        }
    }

    /// Sends a window that nobody adds to any more.
    pub(crate) fn send_stale_window(&mut self, now: Instant) {
        if self
            .window_since
            .is_some_and(|since| now - since >= SHUFFLE_PATIENCE)
        {
            self.send_window();
        }
    }

    fn send(&mut self, delivery: Delivery) {
        if self.queue.send(delivery).is_err() {
            // Nobody delivers any more: the sandbox is ending.
            self.stats.failed += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;

    const EVENTS: usize = 400;

    fn run(seed: u64, chaos: Chaos) -> (Vec<String>, Stats) {
        let (sender, mut receiver): (_, UnboundedReceiver<Delivery>) = unbounded_channel();
        let mut hooks = Hooks::new(seed, chaos, sender);
        let mut account = Account::new("acct_1", "One", 1);
        account.endpoints.push(Endpoint {
            id: "we_1".to_owned(),
            url: "http://127.0.0.1/".to_owned(),
            secret: "whsec_1".to_owned(),
            events: vec!["*".to_owned()],
            connect: false,
        });
        for _ in 0..EVENTS {
            account.emit("customer.updated", &json!({"id": "cus_1"}));
        }
        hooks.take_events(&mut account);
        hooks.send_window();
        drop(hooks.queue);
        let mut order = Vec::new();
        while let Some(delivery) = receiver.blocking_recv() {
            order.push(delivery.event);
        }
        (order, hooks.stats)
    }

    #[test]
    fn without_knobs_each_event_goes_once_and_in_order() {
        let (order, stats) = run(1, Chaos::default());
        assert_eq!((order.len(), stats.planned), (EVENTS, EVENTS as u64));
        let mut unique = order.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), EVENTS);
    }

    #[test]
    fn the_same_seed_drops_doubles_and_mixes_the_same_deliveries() {
        let chaos = Chaos {
            duplicate: 0.2,
            shuffle: 16,
            delay_ms: 0,
            drop: 0.1,
        };
        let (order, stats) = run(5, chaos);
        assert_eq!(order, run(5, chaos).0);
        assert_ne!(order, run(6, chaos).0);
        assert!(
            (20..70).contains(&stats.dropped),
            "{} dropped",
            stats.dropped
        );
        assert!(
            (45..110).contains(&stats.duplicated),
            "{} duplicated",
            stats.duplicated
        );
        assert_eq!(
            order.len() as u64,
            EVENTS as u64 - stats.dropped + stats.duplicated
        );
        assert_ne!(
            order,
            run(
                5,
                Chaos {
                    shuffle: 0,
                    ..chaos
                }
            )
            .0
        );
    }

    #[test]
    fn a_knob_does_not_move_the_decisions_of_another() {
        let drops = Chaos {
            drop: 0.1,
            ..Chaos::default()
        };
        let both = Chaos {
            delay_ms: 1,
            ..drops
        };
        assert_eq!(run(9, drops).0, run(9, both).0);
    }
}
