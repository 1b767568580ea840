//! One request over the one HTTP client of this process.

use std::{fmt, time::Duration};

use anyhow::Context as _;
use reqwest::{Client, Method, Response, redirect::Policy};
use secrecy::ExposeSecret;
use stripe_shared::version::VERSION;

use super::{
    answer::{Answer, Facts},
    client::Account,
    requests::{Action, Request},
};
use crate::cause;

/// How long an unused connection is kept: shorter than the servers in front of Stripe do, so that they are rarely the
/// ones who close it.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of an answer. A page of 100 large objects has about 2 MB.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The HTTP client.
#[derive(Debug)]
pub(super) struct Transport(Client);

/// There is no whole answer.
#[derive(Debug)]
pub(super) struct Broken {
    why: String,
    /// Whether a read may be sent again at once: the connection broke, as an idle one does when the other side has
    /// closed it meanwhile.
    pub(super) at_once: bool,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl Transport {
    /// Builds the client.
    pub(super) fn new() -> anyhow::Result<Self> {
        // Fails when a provider is installed already, and then that one is used.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("memberd/", env!("CARGO_PKG_VERSION")))
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .context("cannot build the HTTP client for Stripe")?;
        Ok(Self(client))
    }

    /// Sends one request and reads the whole answer.
    pub(super) async fn send(
        &self,
        account: &Account,
        request: &Request,
    ) -> Result<Answer, Broken> {
        let url = format!("{}{}", account.api_base, request.target);
        let method = match &request.action {
            Action::Read => Method::GET,
            Action::Write { delete: true, .. } => Method::DELETE,
            Action::Write { delete: false, .. } => Method::POST,
        };
        let mut builder = self
            .0
            .request(method, url)
            .timeout(account.timeout)
            .bearer_auth(account.secret_key.expose_secret())
            .header("stripe-version", VERSION.as_str());
        if account.connected {
            builder = builder.header("stripe-account", account.account.as_str());
        }
        if let Action::Write { form, key, .. } = &request.action {
            builder = builder
                .header("idempotency-key", key.as_str())
                .header("content-type", "application/x-www-form-urlencoded")
                .body(form.clone());
        }
        let response = builder
            .send()
            .await
            .map_err(|error| broken(error, account))?;
        let status = response.status().as_u16();
        let facts = Facts::read(response.headers());
        let body = read(response, account).await.map_err(|mut error| {
            error.why = format!("HTTP {status}, but {}", error.why);
            error
        })?;
        Ok(Answer {
            status,
            facts,
            body,
        })
    }
}

async fn read(mut response: Response, account: &Account) -> Result<Vec<u8>, Broken> {
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| broken(error, account))?
    {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Broken {
                why: format!("the answer has more than {ANSWER_BYTES_MAX} bytes"),
                at_once: false,
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn broken(error: reqwest::Error, account: &Account) -> Broken {
    if error.is_timeout() && !error.is_connect() {
        return Broken {
            why: format!("no answer within {:?}", account.timeout),
            at_once: false,
        };
    }
    Broken {
        at_once: !error.is_connect() && !error.is_builder() && !error.is_timeout(),
        why: cause::of(error),
    }
}
