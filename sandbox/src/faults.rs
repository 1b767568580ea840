//! Faults: what shall go wrong, where and how often.

use rand::{RngExt, rngs::StdRng};
use serde_json::{Value, json};

use crate::ids::{Ids, stream};

/// Which side goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// Requests to the fake Stripe.
    Stripe,
    /// Deliveries to the daemon.
    Webhooks,
}

/// How it goes wrong. The comment before the semicolon is for `stripe`, after it for `webhooks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The connection breaks, nothing happens; the attempt fails unsent.
    Refuse,
    /// An error status is answered, nothing happens; the attempt fails unsent.
    Status,
    /// A page of HTML is answered, as a proxy does, nothing happens; the attempt fails unsent.
    Html,
    /// Silence, then the connection breaks, nothing happened; the attempt fails unsent, late.
    Timeout,
    /// As above, but it did happen; the delivery arrives and counts as failed, so it comes again.
    TimeoutAfterSuccess,
    /// It happens and the answer breaks off; the delivery is lost for ever.
    Drop,
    /// It begins, waits, happens and is answered; the delivery is sent late.
    Slow,
}

/// Every target by its name.
pub(crate) const TARGETS: [(&str, Target); 2] =
    [("stripe", Target::Stripe), ("webhooks", Target::Webhooks)];
/// Every mode by its name.
pub(crate) const MODES: [(&str, Mode); 7] = [
    ("refuse", Mode::Refuse),
    ("status", Mode::Status),
    ("html", Mode::Html),
    ("timeout", Mode::Timeout),
    ("timeout_after_success", Mode::TimeoutAfterSuccess),
    ("drop", Mode::Drop),
    ("slow", Mode::Slow),
];

/// One thing that shall go wrong.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// `flt_…`
    pub(crate) id: String,
    /// Which side.
    pub(crate) target: Target,
    /// Only this method; all when absent.
    pub(crate) method: Option<String>,
    /// Only paths that begin so; all when absent.
    pub(crate) path: Option<String>,
    /// How.
    pub(crate) mode: Mode,
    /// The status of [`Mode::Status`] and [`Mode::Html`].
    pub(crate) status: u16,
    /// Share of the matching requests, 0 to 1.
    pub(crate) rate: f64,
    /// How many more times; for ever when absent.
    pub(crate) times: Option<u64>,
    /// Milliseconds of silence of the slow modes.
    pub(crate) delay_ms: u64,
    /// Whether the error of [`Mode::Status`] is kept under the idempotency key.
    pub(crate) cached: bool,
}

impl Fault {
    fn fits(&self, target: Target, method: &str, path: &str) -> bool {
        self.target == target
            && self.times != Some(0)
            && self.method.as_ref().is_none_or(|wanted| wanted == method)
            && self
                .path
                .as_ref()
                .is_none_or(|prefix| path.starts_with(prefix.as_str()))
    }

    /// As the inspector shows it.
    pub(crate) fn json(&self) -> Value {
        let target = TARGETS
            .iter()
            .find(|known| known.1 == self.target)
            .map(|known| known.0);
        let mode = MODES
            .iter()
            .find(|known| known.1 == self.mode)
            .map(|known| known.0);
        json!({
            "id": self.id, "target": target, "method": self.method, "path": self.path,
            "mode": mode, "status": self.status, "rate": self.rate, "times": self.times,
            "delay_ms": self.delay_ms, "cached": self.cached,
        })
    }
}

/// All faults, in the order they were asked for.
#[derive(Debug)]
pub(crate) struct Faults {
    list: Vec<Fault>,
    rng: StdRng,
    ids: Ids,
    hits: u64,
}

impl Faults {
    /// None yet.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            list: Vec::new(),
            rng: stream(seed, "faults"),
            ids: Ids::new(seed, "fault ids"),
            hits: 0,
        }
    }

    /// Adds a fault and gives it its id.
    pub(crate) fn add(&mut self, fault: Fault) -> &Fault {
        let at = self.list.len();
        self.list.push(Fault {
            id: self.ids.short("flt_"),
            ..fault
        });
        &self.list[at]
    }

    /// Removes one fault, or all; answers how many.
    pub(crate) fn clear(&mut self, id: Option<&str>) -> usize {
        let before = self.list.len();
        self.list
            .retain(|fault| id.is_some_and(|id| fault.id != id));
        before - self.list.len()
    }

    /// The fault that strikes a request, if one does.
    pub(crate) fn hit(&mut self, target: Target, method: &str, path: &str) -> Option<Fault> {
        let rng = &mut self.rng;
        let struck = self.list.iter_mut().find(|fault| {
            fault.fits(target, method, path) && (fault.rate >= 1.0 || rng.random_bool(fault.rate))
        })?;
        struck.times = struck.times.map(|times| times - 1);
        self.hits += 1;
        Some(struck.clone())
    }

    /// As the inspector shows them.
    pub(crate) fn json(&self) -> Value {
        let list: Vec<Value> = self.list.iter().map(Fault::json).collect();
        json!({ "faults": list, "hits": self.hits })
    }
}
