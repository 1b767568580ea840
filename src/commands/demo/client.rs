//! The demo's view from outside: the daemon's API and the sandbox's inspector, over HTTP as everybody else.

use std::{fmt::Write as _, net::SocketAddr, time::Duration};

use anyhow::{Context as _, bail};
use reqwest::{Client, Method, Response, StatusCode, header::RETRY_AFTER, redirect::Policy};
use serde_json::Value;

/// How long an answer may take: filling a large world and comparing it with Stripe are single requests.
const TIMEOUT: Duration = Duration::from_mins(10);
/// Objects on a page of the API.
const PAGE: usize = 100;
/// Most pages of one list.
const PAGES_MAX: usize = 20_000;
/// Objects on a page of the sandbox's truth.
const TRUTH_PAGE: usize = 10_000;
/// How often a request that is limited is sent.
const ATTEMPTS_MAX: u32 = 30;
/// How long to wait when a limited request is not told how long.
const LIMITED_PAUSE: Duration = Duration::from_secs(1);
/// Characters of an unexpected answer that are shown.
const SHOWN_CHARS: usize = 300;

/// The one HTTP client of the demo.
///
/// # Errors
/// When it cannot be built.
pub(super) fn client() -> anyhow::Result<Client> {
    // Fails when a provider is installed already, and then that one is used.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .timeout(TIMEOUT)
        .redirect(Policy::none())
        .no_proxy()
        .tls_certs_only([])
        .build()
        .context("cannot build the HTTP client")
}

/// Somebody who answers JSON: the daemon with a key, or the sandbox without.
#[derive(Clone, Debug)]
pub(super) struct Http {
    client: Client,
    /// `http://ADDRESS`, without a slash at the end.
    pub(super) base: String,
    key: Option<String>,
}

impl Http {
    /// At this address; the key is sent with every request.
    pub(super) fn new(client: &Client, address: SocketAddr, key: Option<&str>) -> Self {
        Self {
            client: client.clone(),
            base: format!("http://{address}"),
            key: key.map(str::to_owned),
        }
    }

    /// Reads; anything but 2xx is an error.
    ///
    /// # Errors
    /// No answer, or one that is not 2xx.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.ask(Method::GET, path, None).await
    }

    /// Sends a body; anything but 2xx is an error.
    ///
    /// # Errors
    /// No answer, or one that is not 2xx.
    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Deletes; anything but 2xx is an error.
    ///
    /// # Errors
    /// No answer, or one that is not 2xx.
    pub(super) async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.ask(Method::DELETE, path, None).await
    }

    /// Only the status of reading.
    ///
    /// # Errors
    /// No answer.
    pub(super) async fn status(&self, path: &str) -> anyhow::Result<StatusCode> {
        Ok(self.send(&Method::GET, path, None).await?.status())
    }

    /// A list of the API that has only one page.
    ///
    /// # Errors
    /// No answer, or one that is no list.
    pub(super) async fn whole(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        match self.get(path).await?["data"].take() {
            Value::Array(items) => Ok(items),
            other => bail!("GET {}{path} answers no list but {other}", self.base),
        }
    }

    /// A whole list of the API, all pages of it.
    ///
    /// # Errors
    /// No answer, or one that is no list.
    pub(super) async fn list(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let mut all = Vec::new();
        let mut cursor: Option<String> = None;
        let mark = if path.contains('?') { '&' } else { '?' };
        for _ in 0..PAGES_MAX {
            let mut target = format!("{path}{mark}limit={PAGE}");
            if let Some(cursor) = &cursor {
                // Writing into a String cannot fail.
                let _ = write!(target, "&cursor={}", escape(cursor));
            }
            let mut page = self.get(&target).await?;
            let Value::Array(items) = page["data"].take() else {
                bail!("GET {}{target} answers no list", self.base);
            };
            all.extend(items);
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                return Ok(all);
            }
        }
        bail!("GET {}{path} has more than {PAGES_MAX} pages", self.base)
    }

    /// All objects of a type that the sandbox knows in an account.
    ///
    /// # Errors
    /// No answer, or an unexpected one.
    pub(super) async fn truth(&self, account: &str, kind: &str) -> anyhow::Result<Vec<Value>> {
        let mut all = Vec::new();
        let mut after = String::new();
        for _ in 0..PAGES_MAX {
            let path =
                format!("/stripe/truth?account={account}&type={kind}&limit={TRUTH_PAGE}{after}");
            let mut page = self.get(&path).await?;
            let Value::Array(items) = page["data"].take() else {
                bail!("GET {}{path} answers no list", self.base);
            };
            all.extend(items);
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return Ok(all),
            }
        }
        bail!("the sandbox has too many objects of type {kind}")
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        for _ in 0..ATTEMPTS_MAX {
            let response = self.send(&method, path, body).await?;
            let status = response.status();
            if status == StatusCode::TOO_MANY_REQUESTS {
                tokio::time::sleep(wanted_pause(&response)).await;
                continue;
            }
            let text = response
                .text()
                .await
                .with_context(|| format!("{method} {}{path} broke off", self.base))?;
            if !status.is_success() {
                let shown: String = text.chars().take(SHOWN_CHARS).collect();
                bail!("{method} {}{path} answers {status}: {shown}", self.base);
            }
            return serde_json::from_str(&text)
                .with_context(|| format!("{method} {}{path} answers no JSON", self.base));
        }
        bail!("{method} {}{path} is limited for too long", self.base)
    }

    async fn send(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Response> {
        let mut request = self
            .client
            .request(method.clone(), format!("{}{path}", self.base));
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        request
            .send()
            .await
            .with_context(|| format!("{method} {}{path} is not answered", self.base))
    }
}

fn wanted_pause(response: &Response) -> Duration {
    let told = response.headers().get(RETRY_AFTER);
    let seconds = told.and_then(|value| value.to_str().ok()?.parse().ok());
    seconds.map_or(LIMITED_PAUSE, Duration::from_secs)
}

/// A value for a query: everything but letters, digits and `-_.` as `%XX`.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_survive_a_query() {
        assert_eq!(escape("aZ9-_."), "aZ9-_.");
        assert_eq!(escape("a+b/c=="), "a%2Bb%2Fc%3D%3D");
    }
}
