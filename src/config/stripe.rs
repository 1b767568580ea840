//! `[stripe]` and `[organizations.<id>.stripe]`: one Stripe account.

use super::problem::Fault;
use super::reader::{Reader, Section};
use super::typed::{boolean, duration, integer, text, url};
use reqwest::Url;
use secrecy::SecretString;
use std::time::Duration;

/// How Stripe's secret keys and restricted keys begin.
const KEY_PREFIXES: [&str; 2] = ["sk_", "rk_"];

/// How keys of the two modes begin.
const TEST_PREFIXES: [&str; 2] = ["sk_test_", "rk_test_"];
const LIVE_PREFIXES: [&str; 2] = ["sk_live_", "rk_live_"];

/// How the signing secrets of webhook endpoints begin.
const WEBHOOK_SECRET_PREFIX: &str = "whsec_";

/// Requests a second that Stripe allows one account, for reads and for writes each, in live and in test mode.
/// Source: <https://docs.stripe.com/rate-limits>.
const LIVE_RATE: u32 = 100;
const TEST_RATE: u32 = 25;

/// Most signing secrets at once; each costs one HMAC for every forged webhook.
const WEBHOOK_SECRETS_MAX: usize = 16;

/// How ids of accounts begin.
const ACCOUNT_PREFIX: &str = "acct_";

/// One Stripe account.
#[derive(Debug, Clone)]
pub struct Stripe {
    /// Secret or restricted key; `None` means that nothing is fetched.
    pub secret_key: Option<SecretString>,
    /// Signing secrets of the webhook endpoint; empty means that every webhook is refused.
    pub webhook_secrets: Vec<SecretString>,
    /// How far the time in a webhook's signature may be from now.
    pub webhook_tolerance: Duration,
    /// Where the API is.
    pub api_base: Url,
    /// Id of the account.
    pub account: Option<String>,
    /// Whether the account is connected to a platform whose key `secret_key` is.
    pub connected: bool,
    /// Whether the account is used in live mode.
    pub livemode: bool,
    /// Percent of the requests that Stripe allows.
    pub rate_share: u32,
    /// Most requests a second, for reads and for writes each; 0: `rate_share` decides.
    pub rate_limit: u32,
    /// Longest time for one request.
    pub timeout: Duration,
}

impl Stripe {
    /// Reads the table `at`.
    pub(super) fn read(reader: &mut Reader<'_>, at: &[&str]) -> Self {
        let mut section = reader.section(at);
        let livemode = section.required("livemode", boolean);
        let stripe = Self {
            secret_key: read_secret_key(&mut section, livemode),
            webhook_secrets: read_webhook_secrets(&mut section),
            webhook_tolerance: section.required("webhook_tolerance", duration),
            api_base: section.required("api_base", url),
            account: section.optional("account", text),
            connected: section.required("connected", boolean),
            livemode,
            rate_share: section.required("rate_share", integer),
            rate_limit: section.required("rate_limit", integer),
            timeout: section.required("timeout", duration),
        };
        stripe.check(&mut section);
        stripe
    }

    /// Most requests a second, for reads and for writes each.
    pub fn requests_per_second(&self) -> u32 {
        let allowed = if self.livemode { LIVE_RATE } else { TEST_RATE };
        match self.rate_limit {
            0 => (allowed * self.rate_share / 100).max(1),
            limit => limit,
        }
    }

    fn check(&self, section: &mut Section<'_, '_>) {
        if self
            .account
            .as_deref()
            .is_some_and(|id| !id.starts_with(ACCOUNT_PREFIX))
        {
            let fix = format!("write the id that begins with {ACCOUNT_PREFIX}");
            section.problem("account", Fault::new("is not the id of an account", fix));
        }
        if self.connected && self.account.is_none() {
            let fix = "name the connected account in account, or set connected = false";
            section.problem(
                "connected",
                Fault::new("needs the account that is connected", fix),
            );
        }
        if self.livemode && self.api_base.scheme() != "https" {
            let fault = Fault::new("would send a live key without TLS", "use https");
            section.problem("api_base", fault);
        }
        // A connected account has its platform's key, and its events may come to the platform's endpoint.
        if self.connected {
            return;
        }
        if self.secret_key.is_none() {
            section.warn("secret_key", "is not set: nothing is fetched from Stripe");
        }
        if self.webhook_secrets.is_empty() {
            section.warn(
                "webhook_secrets",
                "is empty: every webhook from Stripe is refused",
            );
        }
    }
}

fn read_secret_key(section: &mut Section<'_, '_>, livemode: bool) -> Option<SecretString> {
    let secret = section.secret("secret_key")?;
    if let Some(fault) = secret_key_fault(&secret.text, livemode) {
        section.problem(&secret.twin.name(), fault);
    }
    Some(secret.into())
}

/// A live key in a test set-up moves real money; the other way round every object is missing.
fn secret_key_fault(key: &str, livemode: bool) -> Option<Fault> {
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| key.starts_with(prefix));
    if !begins(&KEY_PREFIXES) {
        let fix = "use the key that begins with sk_ or rk_; one with pk_ is for browsers";
        return Some(Fault::new("is no secret key of Stripe", fix));
    }
    if livemode && begins(&TEST_PREFIXES) {
        return Some(Fault::new(
            "is a test key, but livemode is true",
            "use a live key, or set livemode = false",
        ));
    }
    if !livemode && begins(&LIVE_PREFIXES) {
        return Some(Fault::new(
            "is a live key, but livemode is false",
            "use a test key, or set livemode = true",
        ));
    }
    None
}

/// Inline they are a list; in their file they are one a line.
fn read_webhook_secrets(section: &mut Section<'_, '_>) -> Vec<SecretString> {
    let name = "webhook_secrets";
    let (secrets, twin) = section.secrets(name);
    if secrets.len() > WEBHOOK_SECRETS_MAX {
        let fix = format!("keep at most {WEBHOOK_SECRETS_MAX}");
        section.problem(
            &twin.name(),
            Fault::new("are too many signing secrets", fix),
        );
    }
    if secrets
        .iter()
        .any(|secret| !secret.starts_with(WEBHOOK_SECRET_PREFIX))
    {
        let fix = format!("use the endpoint's secrets, which begin with {WEBHOOK_SECRET_PREFIX}");
        section.problem(
            &twin.name(),
            Fault::new("holds no signing secret of Stripe", fix),
        );
    }
    secrets.into_iter().map(SecretString::from).collect()
}
