//! Attempts over the network.

use std::{error::Error, sync::Arc, time::Duration};

use anyhow::Context as _;
use chrono::DateTime;
use memberd_jobs::kernel::{
    Timestamp,
    ports::{Answer, Later, Message, Receivers, SendError, SigningSecret},
};
use reqwest::{Client, Response, header, redirect::Policy};
use tokio::time::{Instant, timeout};

use super::{
    addresses::Addresses,
    names::{Guarded, Names, NoneAllowed},
    secrets::Keys,
    signature::{ID, SIGNATURE, TIMESTAMP},
    target::{Rules, Target, refused},
};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an unused connection is kept.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// Unused connections kept for each host: as many as one endpoint uses at once.
const POOL_IDLE_MAX: usize = 32;

/// Bytes of an answer that are read, so that its connection can be used again; nobody looks at them.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How long a new endpoint's name may take to be resolved. One that takes longer is checked when it is sent to.
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(3);

/// How events are sent.
#[derive(Clone, Debug)]
pub struct Options {
    /// What secrets are made from.
    pub keys: Keys,
    /// Where to.
    pub addresses: Addresses,
    /// Whether only over TLS.
    pub https_only: bool,
    /// How long an attempt may take, from its beginning to the end of the answer.
    pub timeout: Duration,
    /// What names mean.
    pub names: Arc<dyn Names>,
}

/// Sends events.
#[derive(Debug)]
pub struct Sender {
    keys: Keys,
    rules: Rules,
    pub(super) timeout: Duration,
    /// Sees every address that the table permits.
    public: (Guarded, Client),
    /// Sees only the networks that the operator named.
    named: (Guarded, Client),
}

impl Sender {
    /// Builds the HTTP clients.
    ///
    /// # Errors
    /// When they cannot be built.
    pub fn new(options: Options) -> anyhow::Result<Self> {
        let client = |named_only| {
            let (names, addresses) = (Arc::clone(&options.names), options.addresses.clone());
            let guarded = Guarded {
                names,
                addresses,
                named_only,
            };
            anyhow::Ok((guarded.clone(), client(guarded)?))
        };
        Ok(Self {
            public: client(false)?,
            named: client(true)?,
            keys: options.keys,
            rules: Rules {
                addresses: options.addresses,
                https_only: options.https_only,
            },
            timeout: options.timeout,
        })
    }

    const fn way(&self, target: &Target) -> &(Guarded, Client) {
        if target.own_port {
            &self.named
        } else {
            &self.public
        }
    }

    /// Reads the URL, and resolves its host: a name that means none but refused addresses is refused at once.
    async fn check_url(&self, url: &str) -> Result<String, String> {
        let target = self.rules.read(url)?;
        let (guarded, _) = self.way(&target);
        if let Some(name) = &target.name
            && let Ok(Ok(found)) = timeout(LOOK_UP_TIMEOUT, guarded.names.look_up(name)).await
            && !found.is_empty()
            && guarded.permitted(found).is_err()
        {
            return Err(refused(&format!("{name} resolves to")));
        }
        Ok(target.url.into())
    }

    async fn attempt(&self, message: &Message<'_>) -> (Result<u16, SendError>, Option<Duration>) {
        // Hosts that are addresses never come to the resolver, so the URL is read again each time.
        let Ok(target) = self.rules.read(message.url) else {
            return (Err(SendError::NotAllowed), None);
        };
        let secrets = message
            .secrets
            .iter()
            .filter_map(|made_from| self.keys.secret(made_from));
        let signatures: Vec<_> = secrets
            .map(|secret| secret.sign(message.id, message.at, message.body.as_bytes()))
            .collect();
        let request = self
            .way(&target)
            .1
            .post(target.url.clone())
            .timeout(self.timeout)
            .header(header::CONTENT_TYPE, "application/json")
            .header(ID, message.id)
            .header(TIMESTAMP, message.at.seconds())
            .header(SIGNATURE, signatures.join(" "))
            .body(message.body.to_owned());
        match request.send().await {
            Ok(response) => {
                let status = response.status().as_u16();
                let retry_after = retry_after(&response, message.at);
                drain(response).await;
                (Ok(status), retry_after)
            }
            Err(error) => (Err(why(&error)), None),
        }
    }
}

impl Receivers for Sender {
    fn check<'a>(&'a self, url: &'a str) -> Later<'a, Result<String, String>> {
        Box::pin(self.check_url(url))
    }

    fn key_id(&self) -> Option<String> {
        self.keys.first().map(str::to_owned)
    }

    fn reveal(&self, secret: &SigningSecret) -> Option<String> {
        Some(self.keys.secret(secret)?.reveal())
    }

    fn send<'a>(&'a self, message: &'a Message<'a>) -> Later<'a, Answer> {
        Box::pin(async move {
            let began = Instant::now();
            let (status, retry_after) = self.attempt(message).await;
            Answer {
                status,
                retry_after,
                took: began.elapsed(),
            }
        })
    }
}

fn client(guarded: Guarded) -> anyhow::Result<Client> {
    // Fails when a provider is installed already, and then that one is used.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(concat!("memberd/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(guarded)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .pool_max_idle_per_host(POOL_IDLE_MAX)
        .redirect(Policy::none())
        .no_proxy()
        .build()
        .context("cannot build the HTTP client for webhooks")
}

/// Reads what is left of an answer. What goes wrong now changes nothing: the receiver has answered.
async fn drain(mut response: Response) {
    let mut bytes = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes += chunk.len();
        if bytes > ANSWER_BYTES_MAX {
            return;
        }
    }
}

/// How long the receiver asks to be left alone: seconds, or a moment as HTTP writes it.
fn retry_after(response: &Response, now: Timestamp) -> Option<Duration> {
    let text = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = DateTime::parse_from_rfc2822(text).ok()?;
    Some(Timestamp(at.timestamp_millis()).since(now))
}

fn why(error: &reqwest::Error) -> SendError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(one) = cause {
        if one.is::<NoneAllowed>() {
            return SendError::NotAllowed;
        }
        cause = one.source();
    }
    if error.is_timeout() {
        SendError::Timeout
    } else {
        SendError::Unreachable
    }
}
