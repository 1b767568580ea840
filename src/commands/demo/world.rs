//! The living world: what happens at Stripe, and waiting until the daemon has caught up.

use std::{future::Future, time::Duration};

use anyhow::{Context as _, bail};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    client::Http,
    screen::Screen,
    setup::{Stage, Tenant, reachable},
};

/// Requests a second that the sandbox allows: the demo is no test of budgets.
const STRIPE_LIMIT: u32 = 100_000;
/// The other organization has one member for so many of the first one's, and at least so many.
const OTHER_SHARE: u64 = 10;
const OTHER_MIN: u64 = 5;
/// What happens to webhooks while the world is busy.
const DUPLICATE: f64 = 0.2;
const SHUFFLE: u64 = 16;
const DELAY_MS: u64 = 200;
/// How many events a second it makes, so that answer times do not measure the queue before the daemon.
pub(super) const BUSY_RATE: u64 = 50;
/// It makes as many events as there are members, between these bounds.
const BUSY_EVENTS: (u64, u64) = (50, 500);
/// Pause between two looks at the work that is left.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// When nothing moves for so long, nothing will.
const STUCK: Duration = Duration::from_secs(90);

/// An organization with a key to look into it.
#[derive(Clone, Debug)]
pub(super) struct Town {
    /// The organization and its Stripe account.
    pub(super) tenant: Tenant,
    /// The API with a key that may do everything in it.
    pub(super) api: Http,
}

/// The two processes as seen from outside.
#[derive(Clone, Debug)]
pub(super) struct World {
    /// The inspector.
    pub(super) sandbox: Http,
    /// The API without a key.
    pub(super) open: Http,
    /// `default` and `other`.
    pub(super) towns: [Town; 2],
    /// Decides everything that looks like chance.
    pub(super) seed: u64,
}

/// What is left to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Left {
    /// Webhooks that are not delivered yet.
    pub(super) webhooks: i64,
    /// Jobs that wait for a slot, run, or wait for another attempt.
    pub(super) jobs: i64,
    /// Jobs that have ended.
    pub(super) ended: i64,
}

impl Left {
    fn told(self, what: &str) -> String {
        format!(
            "{what}: {} webhooks to come, {} jobs to do, {} done",
            self.webhooks, self.jobs, self.ended
        )
    }
}

impl World {
    /// The view on a stage whose processes run.
    pub(super) fn of(stage: &Stage, client: &Client, seed: u64) -> Self {
        let [default, other] = stage.tenants.clone();
        let town = |tenant, variable| Town {
            tenant,
            api: Http::new(
                client,
                reachable(stage.api),
                Some(stage.keys.text(variable)),
            ),
        };
        Self {
            sandbox: Http::new(client, reachable(stage.sandbox), None),
            open: Http::new(client, reachable(stage.api), None),
            towns: [town(default, "K_ADMIN"), town(other, "K_OTHERORG")],
            seed,
        }
    }

    /// Lets the sandbox send webhooks to the daemon, and lifts its limits.
    ///
    /// # Errors
    /// When the sandbox refuses.
    pub(super) async fn connect(&self) -> anyhow::Result<()> {
        let limits = json!({"read_per_second": STRIPE_LIMIT, "write_per_second": STRIPE_LIMIT});
        self.sandbox.post("/stripe/limits", &limits).await?;
        for Town { tenant, .. } in &self.towns {
            let endpoint = json!({
                "account": tenant.account, "secret": tenant.webhook_secret,
                "url": format!("{}{}", self.open.base, tenant.webhook_path),
            });
            self.sandbox
                .post("/stripe/webhook_endpoints", &endpoint)
                .await?;
        }
        Ok(())
    }

    /// Fills both accounts with tiers, members and subscriptions in every state.
    ///
    /// # Errors
    /// When the sandbox refuses.
    pub(super) async fn fill(&self, members: u64) -> anyhow::Result<()> {
        for (town, members) in self.towns.iter().zip(shares(members)) {
            let body =
                json!({"account": town.tenant.account, "members": members, "seed": self.seed});
            self.sandbox.post("/stripe/world", &body).await?;
        }
        Ok(())
    }

    /// A busy day in both accounts, with webhooks doubled, mixed and delayed.
    ///
    /// # Errors
    /// When the sandbox refuses.
    pub(super) async fn busy_day(&self, members: u64) -> anyhow::Result<()> {
        for (town, members) in self.towns.iter().zip(shares(members)) {
            let body = json!({
                "name": "busy_day", "account": town.tenant.account, "seed": self.seed,
                "events": members.clamp(BUSY_EVENTS.0, BUSY_EVENTS.1), "duplicate": DUPLICATE,
                "shuffle": SHUFFLE, "delay_ms": DELAY_MS, "rate_per_second": BUSY_RATE,
            });
            self.sandbox.post("/stripe/chaos", &body).await?;
        }
        Ok(())
    }

    /// Lets time pass at Stripe: trials end, periods renew, cards fail.
    ///
    /// # Errors
    /// When the sandbox refuses.
    pub(super) async fn advance(&self, seconds: u64) -> anyhow::Result<()> {
        let body = json!({ "advance_seconds": seconds });
        self.sandbox.post("/clock", &body).await?;
        Ok(())
    }

    /// What is left to do. Webhooks are asked first: an answered one has its job already.
    ///
    /// # Errors
    /// No answer, or an unexpected one.
    pub(super) async fn left(&self) -> anyhow::Result<Left> {
        let deliveries = self.sandbox.get("/stripe/deliveries").await?;
        let mut left = Left {
            webhooks: number(&deliveries["pending"])?,
            ..Left::default()
        };
        for town in &self.towns {
            let counts = town.api.get("/v1/jobs/counts").await?;
            for state in ["available", "running", "retryable"] {
                left.jobs += number(&counts["total"][state])?;
            }
            for state in ["completed", "cancelled", "discarded"] {
                left.ended += number(&counts["total"][state])?;
            }
        }
        Ok(left)
    }

    /// Does something at Stripe, shows meanwhile how the daemon keeps up, and waits until every webhook is delivered
    /// and every job has ended. Answers how long that took after the last change.
    ///
    /// # Errors
    /// What the work says, or that nothing moves any more.
    pub(super) async fn settle_after(
        &self,
        work: impl Future<Output = anyhow::Result<()>>,
        screen: &Screen,
        what: &str,
    ) -> anyhow::Result<Duration> {
        let watch = async {
            loop {
                let left = self.left().await?;
                screen.progress(|| left.told(what));
                tokio::time::sleep(LOOK_PAUSE).await;
            }
        };
        tokio::select! {
            done = work => done?,
            broken = watch => return broken,
        }
        self.settle(screen, what).await
    }

    /// Waits until every webhook is delivered and every job has ended; answers how long that took.
    ///
    /// # Errors
    /// When nothing moves any more.
    pub(super) async fn settle(&self, screen: &Screen, what: &str) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let (mut last, mut moved) = (Left::default(), began);
        loop {
            let left = self.left().await?;
            if left.webhooks == 0 && left.jobs == 0 {
                screen.clear();
                return Ok(began.elapsed());
            }
            if left != last {
                (last, moved) = (left, Instant::now());
            }
            if moved.elapsed() > STUCK {
                bail!(
                    "nothing has moved for {} s: {}",
                    STUCK.as_secs(),
                    left.told(what)
                );
            }
            screen.progress(|| left.told(what));
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// Waits until `who` answers 200 at `path`.
    ///
    /// # Errors
    /// After `patience`, with the last answer.
    pub(super) async fn wait_for(who: &Http, path: &str, patience: Duration) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let answer = who.status(path).await;
            if matches!(&answer, Ok(status) if status.is_success()) {
                return Ok(());
            }
            if began.elapsed() > patience {
                let last = answer.map_or_else(|error| format!("{error:#}"), |s| s.to_string());
                bail!(
                    "{}{path} was not ready within {} s; the last answer was: {last}",
                    who.base,
                    patience.as_secs()
                );
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }
}

/// How many members each organization gets.
fn shares(members: u64) -> [u64; 2] {
    [members, (members / OTHER_SHARE).max(OTHER_MIN)]
}

/// A whole number of an answer.
///
/// # Errors
/// When it is something else.
pub(super) fn number(value: &Value) -> anyhow::Result<i64> {
    value
        .as_i64()
        .with_context(|| format!("expected a whole number, not {value}"))
}
