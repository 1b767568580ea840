//! The keys of an issuer: one secret, a set out of a file, or a set that is fetched and fetched again.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex as Lock, MutexGuard, PoisonError},
    time::Duration,
};

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk},
};
use reqwest::{Client, Url, redirect::Policy};
use serde_json::Value;
use tokio::{sync::Mutex, time::Instant};

use crate::cause;

/// Keys of a set that are used; those beyond are not read.
const KEYS_MAX: usize = 100;

/// Bytes of a set.
pub const SET_BYTES_MAX: usize = 256 * 1024;

/// How long one request for a set may take. Callers wait for it.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause between two requests for a set, whatever callers ask for.
pub(super) const FETCH_INTERVAL_MIN: Duration = Duration::from_secs(30);

/// Age at which a set is fetched again, so that a key that was taken out is believed no longer than this, as long as the set
/// can be fetched.
pub(super) const SET_AGE_MAX: Duration = Duration::from_mins(10);

/// Age from which on a set that cannot be fetched again is not believed any more.
pub(super) const SET_BELIEVED_MAX: Duration = Duration::from_hours(24);

/// A key and what it may be used for.
#[derive(Clone, Debug)]
struct Known {
    key: DecodingKey,
    /// The only algorithm that it may be used with.
    algorithm: Option<Algorithm>,
}

/// The keys of a set by their ids; several of one id, where they are of different kinds.
#[derive(Clone, Debug, Default)]
pub struct Set(BTreeMap<Option<String>, Vec<Known>>);

impl Set {
    /// Reads a set (RFC 7517). Keys of kinds that are not supported, and keys for encryption, are left out.
    ///
    /// # Errors
    /// When it is no set, or has no key that is left.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|_| "it is not JSON".to_owned())?;
        let keys = value["keys"].as_array().ok_or("it has no list `keys`")?;
        let mut set = Self::default();
        for key in keys.iter().take(KEYS_MAX) {
            if let Some((id, known)) = known(key) {
                set.0.entry(id).or_default().push(known);
            }
        }
        if set.0.is_empty() {
            return Err("it has no key for EdDSA, ES256 or RS256".to_owned());
        }
        Ok(set)
    }

    /// The key that a token names. One that names none has the only key there is.
    fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
        let fits = |known: &&Known| {
            let named = known.algorithm.is_none_or(|one| one == algorithm);
            named && known.key.family() == algorithm.family()
        };
        let named = |key: &Option<String>| id.is_none() || key.as_deref() == id;
        let keys = self.0.iter().filter(|(key, _)| named(key));
        let mut found = keys.flat_map(|(_, keys)| keys).filter(fits);
        let one = found.next()?;
        found.next().is_none().then(|| one.key.clone())
    }
}

/// A key of a set, if it is one for signatures that are supported here.
fn known(key: &Value) -> Option<(Option<String>, Known)> {
    let jwk: Jwk = serde_json::from_value(key.clone()).ok()?;
    let is_supported = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => true,
        AlgorithmParameters::EllipticCurve(it) => it.curve == EllipticCurve::P256,
        AlgorithmParameters::OctetKeyPair(it) => it.curve == EllipticCurve::Ed25519,
        // A secret has no place in a set that others can read.
        _ => false,
    };
    let is_for_signatures = key.get("use").is_none_or(|word| word == "sig");
    let algorithm = match key.get("alg") {
        None => None,
        Some(word) => Some(word.as_str()?.parse().ok()?),
    };
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    let known = Known { key, algorithm };
    (is_supported && is_for_signatures).then_some((jwk.common.key_id, known))
}

/// Where keys come from.
#[derive(Debug)]
pub(super) enum Keys {
    /// One secret, for HS256.
    Secret(DecodingKey),
    /// A set that does not change while the process runs.
    Fixed(Set),
    /// A set that is fetched.
    Fetched(Fetched),
}

/// There is no set of keys to look in: it could not be fetched.
pub(super) struct NoSet;

impl Keys {
    /// The key for a token; `None` when its issuer has no such key.
    pub(super) async fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
        at: Instant,
    ) -> Result<Option<DecodingKey>, NoSet> {
        match self {
            Self::Secret(key) => Ok(Some(key.clone())),
            Self::Fixed(set) => Ok(set.find(id, algorithm)),
            Self::Fetched(fetched) => fetched.find(id, algorithm, at).await,
        }
    }
}

/// A set at a URL. What was fetched last is used until another is there, or it is too old.
#[derive(Debug)]
pub(super) struct Fetched {
    /// What the configuration calls the issuer.
    issuer: String,
    url: Url,
    client: Client,
    held: Lock<Held>,
    /// One request at a time.
    asking: Mutex<()>,
}

#[derive(Clone, Debug, Default)]
struct Held {
    set: Arc<Set>,
    read_at: Option<Instant>,
    asked_at: Option<Instant>,
}

impl Fetched {
    /// A set that is fetched when it is first needed.
    ///
    /// # Errors
    /// When the client cannot be built.
    pub(super) fn new(issuer: String, url: Url) -> anyhow::Result<Self> {
        // Fails when a provider is installed already, and then that one is used.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        // The operator names the URL, so it may be within his own network; but it leads nowhere else.
        let client = Client::builder()
            .user_agent(concat!("memberd/", env!("CARGO_PKG_VERSION")))
            .timeout(FETCH_TIMEOUT)
            .redirect(Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self {
            issuer,
            url,
            client,
            held: Lock::default(),
            asking: Mutex::default(),
        })
    }

    async fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
        at: Instant,
    ) -> Result<Option<DecodingKey>, NoSet> {
        let held = self.held();
        let found = held.set.find(id, algorithm);
        if found.is_some() && !is_older(held.read_at, SET_AGE_MAX, at) {
            return Ok(found);
        }
        self.refresh(at).await;
        let held = self.held();
        if is_older(held.read_at, SET_BELIEVED_MAX, at) {
            return Err(NoSet);
        }
        Ok(held.set.find(id, algorithm))
    }

    /// Fetches the set, unless that was tried a moment ago; who comes meanwhile waits for it.
    async fn refresh(&self, at: Instant) {
        let _one = self.asking.lock().await;
        if !is_older(self.held().asked_at, FETCH_INTERVAL_MIN, at) {
            return;
        }
        self.locked().asked_at = Some(at);
        match self.fetch().await {
            Ok(set) => {
                let mut held = self.locked();
                held.set = Arc::new(set);
                held.read_at = Some(at);
            }
            Err(why) => {
                metrics::counter!("memberd_jwks_failures_total").increment(1);
                let name = format!("jwt.{}.jwks_url", self.issuer);
                let host = self.url.host_str().unwrap_or_default();
                if is_older(self.held().read_at, SET_BELIEVED_MAX, at) {
                    tracing::error!(
                        name,
                        host,
                        why,
                        "a set of keys for tokens cannot be had, and there is none before it that may be used: the issuer's \
                         tokens are answered 503 until it can"
                    );
                } else {
                    tracing::warn!(
                        name,
                        host,
                        why,
                        "a set of keys for tokens cannot be had; the one before is used, until it is a day old"
                    );
                }
            }
        }
    }

    async fn fetch(&self) -> Result<Set, String> {
        let mut response = self
            .client
            .get(self.url.clone())
            .send()
            .await
            .map_err(cause::of)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(format!("the answer is {}", response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(cause::of)? {
            if body.len() + chunk.len() > SET_BYTES_MAX {
                return Err(format!("it has more than {SET_BYTES_MAX} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        let text = String::from_utf8(body).map_err(|_| "it is not UTF-8".to_owned())?;
        Set::parse(&text)
    }

    fn held(&self) -> Held {
        self.locked().clone()
    }

    fn locked(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether what was done `then`, if ever, lies further back than `age`.
fn is_older(then: Option<Instant>, age: Duration, at: Instant) -> bool {
    then.is_none_or(|then| at.saturating_duration_since(then) >= age)
}
