//! HTTP as a test reads it.

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::Value;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A client for daemon and sandbox.
pub(crate) fn client() -> reqwest::Client {
    // Fails when another test was quicker, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .timeout(TIMEOUT)
        .build()
        .unwrap()
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// The text when it is no JSON.
    pub(crate) json: Value,
}

impl Answer {
    /// Sends a request and reads the answer.
    pub(crate) async fn to(request: reqwest::RequestBuilder) -> reqwest::Result<Self> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let json = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Self {
            status,
            headers,
            json,
        })
    }

    /// The JSON of a success; panics with the answer otherwise.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert!(
            (200..300).contains(&self.status),
            "{} {}",
            self.status,
            self.json
        );
        self.json
    }

    /// The code of a problem; panics when it does not have the form of RFC 9457.
    #[track_caller]
    pub(crate) fn problem(&self) -> (u16, &str) {
        let kind = self
            .headers
            .get("content-type")
            .map(reqwest::header::HeaderValue::as_bytes);
        assert_eq!(
            kind,
            Some(&b"application/problem+json"[..]),
            "{} {}",
            self.status,
            self.json
        );
        assert_eq!(self.json["status"], self.status, "{}", self.json);
        for field in ["type", "title", "detail"] {
            assert!(self.json[field].is_string(), "no `{field}`: {}", self.json);
        }
        (self.status, self.json["code"].as_str().unwrap_or_default())
    }
}

/// The ids of a list's objects.
pub(crate) fn ids(list: &Value) -> Vec<String> {
    let data = list["data"].as_array().unwrap();
    data.iter().map(id).collect()
}

/// An object's id.
#[track_caller]
pub(crate) fn id(object: &Value) -> String {
    object["id"]
        .as_str()
        .unwrap_or_else(|| panic!("no id: {object}"))
        .to_owned()
}
