//! The port to Stripe.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::ensure;
use memberd_jobs::kernel::{
    Clock, Timestamp,
    ports::{Done, Fetched, Later, Listing, ObjectType, Operation, Page, Stripe, StripeError},
};
use secrecy::{ExposeSecret, SecretString};
use stripe_shared::version::VERSION;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::{
    answer::{Answer, Facts, Verdict, page},
    budget::Budget,
    requests::{self, Action, Request},
    transport::{Broken, Transport},
};

/// Stripe's access to one organization.
#[derive(Clone, Debug)]
pub struct Account {
    /// The secret or restricted API key.
    pub secret_key: SecretString,
    /// Where Stripe is: `https://api.stripe.com/`, or a sandbox. Ends in `/`.
    pub api_base: String,
    /// Stripe's id of the account (`acct_…`); empty when the configuration does not name it.
    pub account: String,
    /// Whether the key is that of a platform to which the account is connected: requests then name it.
    pub connected: bool,
    /// Whether the key is one of the live mode.
    pub livemode: bool,
    /// Most requests per second, for reads and for writes separately. Organizations of one account and mode share them;
    /// the smallest number counts.
    pub rate_limit: u32,
    /// The longest that one request may take, its answer included.
    pub timeout: Duration,
}

impl Account {
    /// What Stripe counts requests by: the account, or its key where the configuration does not name it, and the mode.
    fn place(&self) -> (String, bool) {
        let named = Some(&self.account).filter(|account| !account.is_empty());
        let key = self.secret_key.expose_secret();
        (named.map_or(key, String::as_str).to_owned(), self.livemode)
    }
}

/// Stripe over HTTP, for all organizations of this process.
#[derive(Debug)]
pub struct StripeClient {
    transport: Transport,
    accounts: BTreeMap<String, Connected>,
    clock: Arc<dyn Clock>,
    /// Whether it was logged already that an answer had no date.
    undated: AtomicBool,
}

#[derive(Debug)]
struct Connected {
    account: Account,
    budgets: Arc<Budgets>,
}

/// What may be sent to one account in one mode.
#[derive(Debug)]
struct Budgets {
    reads: Budget,
    writes: Budget,
}

/// An answer that can be used.
struct Received {
    /// The JSON, or why a caller that needs the object cannot go on.
    text: Result<String, StripeError>,
    facts: Facts,
}

impl StripeClient {
    /// Connects nothing yet. `accounts` holds the organizations that have a key, by id.
    ///
    /// # Errors
    /// When an account cannot work as it is: names the organization and the field.
    pub fn new(accounts: BTreeMap<String, Account>, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        for (organization, account) in &accounts {
            check(organization, account)?;
        }
        let mut rates: BTreeMap<(String, bool), u32> = BTreeMap::new();
        for account in accounts.values() {
            let rate = rates.entry(account.place()).or_insert(account.rate_limit);
            *rate = (*rate).min(account.rate_limit);
        }
        let budgets: BTreeMap<_, _> = rates
            .into_iter()
            .map(|(place, rate)| {
                let (reads, writes) = (Budget::new(rate), Budget::new(rate));
                (place, Arc::new(Budgets { reads, writes }))
            })
            .collect();
        let connected = accounts.into_iter().filter_map(|(organization, account)| {
            let budgets = Arc::clone(budgets.get(&account.place())?);
            Some((organization, Connected { account, budgets }))
        });
        Ok(Self {
            transport: Transport::new()?,
            accounts: connected.collect(),
            clock,
            undated: AtomicBool::new(false),
        })
    }

    async fn exchange(
        &self,
        organization: &str,
        request: Request,
    ) -> Result<Received, StripeError> {
        let connected = self
            .accounts
            .get(organization)
            .ok_or_else(|| StripeError::NotConfigured(organization.to_owned()))?;
        let budget = match request.action {
            Action::Read => &connected.budgets.reads,
            Action::Write { .. } => &connected.budgets.writes,
        };
        let (verdict, facts) = match self.answer(connected, budget, &request).await {
            Ok(answer) => {
                let verdict = answer.judge();
                if let Verdict::Failed(StripeError::RateLimited(pause)) = &verdict
                    && answer.rate_limited()
                {
                    budget.slow_down(*pause);
                }
                (verdict, answer.facts)
            }
            Err(error) => (Verdict::Failed(error), Facts::default()),
        };
        let (endpoint, outcome) = (request.endpoint.into_owned(), outcome(&verdict));
        let request_id = facts.request_id.as_deref();
        debug!(organization, endpoint, outcome, request_id, "asked stripe");
        metrics::counter!(
            "memberd_stripe_requests_total",
            "endpoint" => endpoint, "outcome" => outcome
        )
        .increment(1);
        let text = match verdict {
            Verdict::Text(text) => Ok(text),
            Verdict::Missing(error) => Err(error),
            Verdict::Failed(error) => return Err(error),
        };
        Ok(Received { text, facts })
    }

    /// Sends within the budget. A read whose connection broke is sent once more.
    async fn answer(
        &self,
        connected: &Connected,
        budget: &Budget,
        request: &Request,
    ) -> Result<Answer, StripeError> {
        match self.attempt(connected, budget, request).await? {
            Ok(answer) => Ok(answer),
            Err(broken) if broken.at_once && matches!(request.action, Action::Read) => {
                let again = self.attempt(connected, budget, request).await?;
                again.map_err(|broken| StripeError::Unavailable(broken.to_string()))
            }
            Err(broken) => Err(StripeError::Unavailable(broken.to_string())),
        }
    }

    async fn attempt(
        &self,
        connected: &Connected,
        budget: &Budget,
        request: &Request,
    ) -> Result<Result<Answer, Broken>, StripeError> {
        budget.take().await.map_err(StripeError::RateLimited)?;
        let started = Instant::now();
        let answer = self.transport.send(&connected.account, request).await;
        let endpoint = request.endpoint.clone().into_owned();
        metrics::histogram!("memberd_stripe_request_duration_seconds", "endpoint" => endpoint)
            .record(started.elapsed());
        Ok(answer)
    }

    /// When the answer was true, by Stripe's clock; by ours when Stripe did not say.
    fn fetched(&self, facts: &mut Facts, raw: Option<String>, took: Duration) -> Fetched {
        let until = facts.date.unwrap_or_else(|| {
            if !self.undated.swap(true, Ordering::Relaxed) {
                warn!("stripe's answer has no Date header: our own clock is used instead");
            }
            self.clock.now()
        });
        Fetched {
            raw,
            as_of: when_asked(until, took),
            until,
            api_version: facts.api_version.take(),
        }
    }
}

impl Stripe for StripeClient {
    fn api_version(&self) -> &str {
        VERSION.as_str()
    }

    fn retrieve<'a>(
        &'a self,
        organization: &'a str,
        kind: ObjectType,
        id: &'a str,
    ) -> Later<'a, Result<Fetched, StripeError>> {
        Box::pin(async move {
            let asked = Instant::now();
            let mut received = self
                .exchange(organization, requests::retrieve(kind, id)?)
                .await?;
            Ok(self.fetched(&mut received.facts, received.text.ok(), asked.elapsed()))
        })
    }

    fn list<'a>(
        &'a self,
        organization: &'a str,
        listing: Listing,
        after: Option<&'a str>,
    ) -> Later<'a, Result<Page, StripeError>> {
        Box::pin(async move {
            let asked = Instant::now();
            let mut received = self
                .exchange(organization, requests::list(listing, after))
                .await?;
            let (objects, has_more) = page(&received.text?)?;
            let answer = self.fetched(&mut received.facts, None, asked.elapsed());
            Ok(Page {
                objects,
                has_more,
                as_of: answer.as_of,
                until: answer.until,
                api_version: answer.api_version,
            })
        })
    }

    fn perform<'a>(
        &'a self,
        organization: &'a str,
        operation: &'a Operation,
    ) -> Later<'a, Result<Done, StripeError>> {
        Box::pin(async move {
            let asked = Instant::now();
            let mut received = self
                .exchange(organization, requests::write(operation)?)
                .await?;
            let text = received.text?;
            Ok(Done {
                fetched: self.fetched(&mut received.facts, Some(text), asked.elapsed()),
                request_id: received.facts.request_id,
                replayed: received.facts.replayed,
            })
        })
    }
}

/// The second of Stripe's clock in which we asked, or an earlier one. An answer is rendered at some moment between question
/// and answer; while it is, an object of it can change, and that newer truth must keep its place.
fn when_asked(answered: Timestamp, took: Duration) -> Timestamp {
    // The millisecond more stands for what `Timestamp` cuts off, so that a quick answer counts like any other.
    let asked = answered.minus(took.saturating_add(Duration::from_millis(1)));
    Timestamp::from_seconds(asked.seconds())
}

const fn outcome(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Text(_) => "ok",
        Verdict::Missing(_) => "missing",
        Verdict::Failed(StripeError::RateLimited(_)) => "rate_limited",
        Verdict::Failed(StripeError::Unavailable(_)) => "unavailable",
        Verdict::Failed(StripeError::Refused { .. } | StripeError::NotConfigured(_)) => "refused",
    }
}

fn check(organization: &str, account: &Account) -> anyhow::Result<()> {
    let base = &account.api_base;
    let plain = base.starts_with("http://");
    ensure!(
        base.ends_with('/') && reqwest::Url::parse(base).is_ok_and(|url| url.has_host()),
        "organization `{organization}`: stripe.api_base is `{base}`, expected an address such as https://api.stripe.com/"
    );
    ensure!(
        plain || base.starts_with("https://"),
        "organization `{organization}`: stripe.api_base is `{base}`, expected https://"
    );
    ensure!(
        !(plain && account.livemode),
        "organization `{organization}`: stripe.api_base is `{base}`, but a live key never travels without TLS: use https://"
    );
    let key = account.secret_key.expose_secret();
    ensure!(
        !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic()),
        "organization `{organization}`: stripe.secret_key is empty or has characters that no key has"
    );
    ensure!(
        !account.connected || !account.account.is_empty(),
        "organization `{organization}`: stripe.connected is true, but stripe.account does not say which account (acct_...)"
    );
    ensure!(
        account.rate_limit > 0,
        "organization `{organization}`: stripe.rate_limit is 0, expected at least 1 request per second"
    );
    ensure!(
        !account.timeout.is_zero(),
        "organization `{organization}`: stripe.timeout is 0, expected for example 30s"
    );
    Ok(())
}
