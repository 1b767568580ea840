//! What the demo measured on its way.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use super::world::{World, number};

/// Figures of one demo.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    /// From the first member at Stripe until the mirror was equal to Stripe.
    pub(super) filled: Duration,
    /// From the last change at Stripe until the mirror was equal again.
    pub(super) caught_up: Duration,
    /// Webhooks that were answered with 2xx.
    pub(super) received: i64,
    /// Those of them that were sent a second time.
    pub(super) doubled: i64,
    /// Answer times of the busy day's webhooks in milliseconds, as the inspector tells them. The other ones come in
    /// floods, where they measure how long the queue before the daemon is.
    pub(super) latency: Value,
}

impl Measured {
    /// Adds the webhooks since the last call, and lets the sandbox count anew.
    ///
    /// # Errors
    /// When the sandbox does not answer.
    pub(super) async fn count(&mut self, world: &World) -> anyhow::Result<Value> {
        let counted = world.sandbox.delete("/stripe/deliveries").await?;
        self.received += number(&counted["delivered"])?;
        self.doubled += number(&counted["duplicated"])?;
        Ok(counted["latency_ms"].clone())
    }

    /// A percentile of the answer times.
    ///
    /// # Errors
    /// When there was no webhook.
    pub(super) fn webhook(&self, name: &str) -> anyhow::Result<f64> {
        self.latency[name]
            .as_f64()
            .with_context(|| format!("the sandbox tells no {name} of answer times"))
    }
}
