//! What an answer means: an object, nothing there, come back later, or no.

use std::time::Duration;

use memberd_jobs::kernel::{Timestamp, ports::StripeError};
use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// The pause after "too many requests" or a lock, when Stripe names none.
const RATE_PAUSE: Duration = Duration::from_secs(2);

/// The shortest and the longest pause that is taken from a header.
const RATE_PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_hours(1)];

/// Characters kept of Stripe's error text.
const MESSAGE_CHARS_MAX: usize = 500;

/// Characters kept of codes, versions and request ids.
const WORD_CHARS_MAX: usize = 100;

/// Stripe's sentence about an object of the other mode. The object is there; the key is the wrong one.
const OTHER_MODE: &str = "a similar object exists in";

/// An HTTP answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) facts: Facts,
    pub(super) body: Vec<u8>,
}

/// What the headers say.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// `Date`
    pub(super) date: Option<Timestamp>,
    /// `Request-Id`
    pub(super) request_id: Option<String>,
    /// `Stripe-Version`
    pub(super) api_version: Option<String>,
    /// `Idempotent-Replayed`
    pub(super) replayed: bool,
    /// `Retry-After`
    retry_after: Option<Duration>,
    /// `Stripe-Should-Retry`
    should_retry: Option<bool>,
}

/// What the answer comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// JSON, byte for byte.
    Text(String),
    /// There is no such object, in the form that a caller needs for whom this is an error.
    Missing(StripeError),
    /// No usable answer.
    Failed(StripeError),
}

/// Stripe's error object, as far as it is there.
#[derive(Debug, Default)]
struct Complaint {
    code: String,
    message: String,
}

/// A list without its objects' insides.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    has_more: bool,
}

impl Facts {
    /// Reads the headers; what is missing or unreadable is left out.
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let word = |name: &str| text(name).map(|text| clean(text, WORD_CHARS_MAX));
        let date = text("date").and_then(http_date);
        Self {
            date,
            request_id: word("request-id"),
            api_version: word("stripe-version"),
            replayed: text("idempotent-replayed") == Some("true"),
            retry_after: text("retry-after").and_then(|value| pause(value, date)),
            should_retry: text("stripe-should-retry").and_then(|value| value.parse().ok()),
        }
    }
}

impl Answer {
    /// Decides. Stripe's explicit word about retries goes before the meaning of the status, except for rate limits,
    /// where nothing was done and the pause is known.
    pub(super) fn judge(&self) -> Verdict {
        let text = str::from_utf8(&self.body).ok();
        if (200..300).contains(&self.status) {
            return match text.filter(|text| is_object(text)) {
                Some(text) => Verdict::Text(text.to_owned()),
                None => Verdict::Failed(self.unavailable("a body that is not a JSON object")),
            };
        }
        let complaint = text.and_then(complaint);
        let code = complaint.as_ref().map_or("", |error| &error.code);
        let reason = complaint
            .as_ref()
            .map_or("a body that is not Stripe's", |error| &error.message);
        if self.rate_limited() || code == "lock_timeout" {
            let pause = self.facts.retry_after.unwrap_or(RATE_PAUSE);
            return Verdict::Failed(StripeError::RateLimited(pause));
        }
        if self.facts.should_retry == Some(true) {
            return Verdict::Failed(self.unavailable(reason));
        }
        let no = self.facts.should_retry == Some(false);
        let transient =
            matches!(self.status, 408 | 409 | 424) || !(400..500).contains(&self.status);
        match complaint {
            Some(error) if self.is_missing(&error) => Verdict::Missing(self.refused(error)),
            Some(error) if no || !transient => Verdict::Failed(self.refused(error)),
            None if no => Verdict::Failed(self.refused(Complaint {
                code: format!("http_{}", self.status),
                message: reason.to_owned(),
            })),
            _ => Verdict::Failed(self.unavailable(reason)),
        }
    }

    /// Whether everybody should pause. A lock concerns one object only.
    pub(super) const fn rate_limited(&self) -> bool {
        self.status == 429
    }

    fn is_missing(&self, error: &Complaint) -> bool {
        self.status == 404
            && error.code == "resource_missing"
            && !error.message.contains(OTHER_MODE)
    }

    fn refused(&self, error: Complaint) -> StripeError {
        StripeError::Refused {
            status: self.status,
            code: error.code,
            message: error.message,
            request_id: self.facts.request_id.clone().unwrap_or_default(),
        }
    }

    fn unavailable(&self, reason: &str) -> StripeError {
        let request = self.facts.request_id.as_deref().unwrap_or("without id");
        StripeError::Unavailable(format!(
            "HTTP {} with {reason} (request {request})",
            self.status
        ))
    }
}

/// The objects of a page, each byte for byte, and whether more follow.
///
/// # Errors
/// When the text is no list: an empty page must never be invented.
pub(super) fn page(text: &str) -> Result<(Vec<String>, bool), StripeError> {
    let envelope: Envelope<'_> = serde_json::from_str(text)
        .map_err(|_| StripeError::Unavailable("the answer is not a list".to_owned()))?;
    let objects = envelope.data.iter().map(|raw| raw.get().to_owned());
    Ok((objects.collect(), envelope.has_more))
}

fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{') && serde_json::from_str::<&RawValue>(text).is_ok()
}

fn complaint(text: &str) -> Option<Complaint> {
    let body: Value = serde_json::from_str(text).ok()?;
    let error = body.get("error").filter(|error| error.is_object())?;
    let word = |name: &str| error.get(name).and_then(Value::as_str);
    Some(Complaint {
        code: clean(
            word("code").or_else(|| word("type")).unwrap_or("unknown"),
            WORD_CHARS_MAX,
        ),
        message: clean(word("message").unwrap_or_default(), MESSAGE_CHARS_MAX),
    })
}

/// IMF-fixdate of RFC 9110, `Sun, 06 Nov 1994 08:49:37 GMT`; the two obsolete forms are nobody's any more.
fn http_date(text: &str) -> Option<Timestamp> {
    chrono::DateTime::parse_from_rfc2822(text)
        .ok()
        .map(|date| Timestamp::from_seconds(date.timestamp()))
}

/// `Retry-After`: seconds, or a date, which counts from the answer's own.
fn pause(text: &str, answered: Option<Timestamp>) -> Option<Duration> {
    let pause = match text.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => http_date(text)?.since(answered?),
    };
    let [shortest, longest] = RATE_PAUSES;
    Some(pause.clamp(shortest, longest))
}

/// Stripe's text without what must not travel: e-mail addresses and keys.
fn clean(text: &str, chars_max: usize) -> String {
    let edge = |c: char| c.is_whitespace() || "'\"`<>()[]{},;=:&?".contains(c);
    let text: String = text.chars().take(chars_max).collect();
    text.split_inclusive(edge)
        .map(|piece| {
            let word = piece.trim_end_matches(edge);
            let secret = ["sk_", "rk_", "whsec_"];
            if word.contains('@') || word.to_ascii_lowercase().contains("%40") {
                piece.replace(word, "[address]")
            } else if secret.iter().any(|prefix| word.starts_with(prefix)) {
                piece.replace(word, "[key]")
            } else {
                piece.to_owned()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Status, headers, body, and the verdict's word.
    type Row<'a> = (u16, &'a [(&'static str, &'a str)], &'a str, &'a str);

    const MISSING: &str = r#"{"error":{"code":"resource_missing","type":"invalid_request_error","message":"No such customer: 'cus_1'"}}"#;
    const OTHER: &str = r#"{"error":{"code":"resource_missing","message":"No such customer: 'cus_1'; a similar object exists in live mode, but a test mode key was used."}}"#;
    const LOCK: &str = r#"{"error":{"code":"lock_timeout","message":"busy"}}"#;
    const BAD: &str = r#"{"error":{"type":"invalid_request_error","message":"no"}}"#;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        Answer {
            status,
            facts: Facts::read(&headers),
            body: body.as_bytes().to_vec(),
        }
    }

    /// The verdict in one word, and the pause or code that comes with it.
    fn word(verdict: &Verdict) -> String {
        match verdict {
            Verdict::Text(_) => "text".to_owned(),
            Verdict::Missing(_) => "missing".to_owned(),
            Verdict::Failed(StripeError::RateLimited(pause)) => format!("later {pause:?}"),
            Verdict::Failed(StripeError::Unavailable(_)) => "unavailable".to_owned(),
            Verdict::Failed(StripeError::Refused { code, .. }) => format!("refused {code}"),
            Verdict::Failed(StripeError::NotConfigured(_)) => "not configured".to_owned(),
        }
    }

    #[test]
    fn what_an_answer_means() {
        let again = ("stripe-should-retry", "true");
        let never = ("stripe-should-retry", "false");
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let at = ("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT");
        let table: &[Row<'_>] = &[
            (200, &[], r#"{"id":"cus_1"}"#, "text"),
            (200, &[], " {} \n", "text"),
            (200, &[], "", "unavailable"),
            (200, &[], "[]", "unavailable"),
            (200, &[], r#"{"id":"cus"#, "unavailable"),
            (200, &[], "<html>", "unavailable"),
            (200, &[never], "<html>", "unavailable"),
            (301, &[], "", "unavailable"),
            (404, &[], MISSING, "missing"),
            (404, &[never], MISSING, "missing"),
            (404, &[again], MISSING, "unavailable"),
            (400, &[], MISSING, "refused resource_missing"),
            (404, &[], OTHER, "refused resource_missing"),
            (404, &[], BAD, "refused invalid_request_error"),
            (404, &[], "404 page not found", "unavailable"),
            (404, &[], r#"{"error":"not_found"}"#, "unavailable"),
            (429, &[], BAD, "later 2s"),
            (429, &[("retry-after", "7")], "", "later 7s"),
            (429, &[("retry-after", "soon")], "", "later 2s"),
            (429, &[("retry-after", "0")], "", "later 1s"),
            (429, &[("retry-after", "99999999")], "", "later 3600s"),
            (429, &[date, at], "", "later 10s"),
            (429, &[at], "", "later 2s"),
            (429, &[never], BAD, "later 2s"),
            (409, &[], LOCK, "later 2s"),
            (409, &[("retry-after", "1")], LOCK, "later 1s"),
            (409, &[], BAD, "unavailable"),
            (409, &[never], BAD, "refused invalid_request_error"),
            (400, &[], BAD, "refused invalid_request_error"),
            (400, &[again], BAD, "unavailable"),
            (
                400,
                &[("stripe-should-retry", "perhaps")],
                BAD,
                "refused invalid_request_error",
            ),
            (401, &[], BAD, "refused invalid_request_error"),
            (
                402,
                &[],
                r#"{"error":{"type":"card_error"}}"#,
                "refused card_error",
            ),
            (403, &[], "<html>", "unavailable"),
            (408, &[], BAD, "unavailable"),
            (500, &[], BAD, "unavailable"),
            (500, &[never], BAD, "refused invalid_request_error"),
            (502, &[], "<html>", "unavailable"),
            (503, &[never], "<html>", "refused http_503"),
        ];
        for (status, headers, body, expected) in table {
            let verdict = answer(*status, headers, body).judge();
            assert_eq!(word(&verdict), *expected, "{status} {headers:?} {body}");
        }
        let binary = Answer {
            body: vec![b'{', 0xff, b'}'],
            ..answer(200, &[], "")
        };
        assert_eq!(word(&binary.judge()), "unavailable");
    }

    #[test]
    fn a_failure_keeps_the_status_and_the_request() {
        let request = ("request-id", "req_1");
        let Verdict::Failed(error) = answer(502, &[request], "<html>").judge() else {
            panic!("a failure")
        };
        let text = error.to_string();
        assert!(text.contains("502") && text.contains("req_1"), "{text}");
    }

    #[test]
    fn addresses_and_keys_are_taken_out_of_stripes_text() {
        for (text, expected) in [
            (
                "No such customer: 'zoe@example.com'",
                "No such customer: '[address]'",
            ),
            (
                "<zoe@example.com>, zoe%40example.com.",
                "<[address]>, [address]",
            ),
            (
                "Invalid API Key provided: sk_test_1234",
                "Invalid API Key provided: [key]",
            ),
            (
                "No such price: 'price_1'; ask us.",
                "No such price: 'price_1'; ask us.",
            ),
        ] {
            assert_eq!(clean(text, MESSAGE_CHARS_MAX), expected);
        }
        assert_eq!(clean("äöü", 2), "äö");
    }

    #[test]
    fn a_page_keeps_every_byte_of_its_objects() {
        let text = r#"{"object":"list","url":"/v1/x","has_more":true,"data":[ {"b": 1.10 ,"a":"\u00fc"} , {"id":"2"}]}"#;
        let (objects, more) = page(text).unwrap();
        assert_eq!(objects, [r#"{"b": 1.10 ,"a":"\u00fc"}"#, r#"{"id":"2"}"#]);
        assert!(more);
        for text in ["{}", r#"{"data":[]}"#, r#"{"data":null,"has_more":false}"#] {
            assert!(page(text).is_err(), "{text}");
        }
    }

    #[test]
    fn headers_are_read() {
        let facts = answer(
            200,
            &[
                ("date", "Thu, 15 Jan 2026 10:30:00 GMT"),
                ("stripe-version", "2026-09-30.endive"),
                ("idempotent-replayed", "true"),
            ],
            "{}",
        )
        .facts;
        assert_eq!(facts.date, Some(Timestamp(1_768_473_000_000)));
        assert_eq!(facts.api_version.as_deref(), Some("2026-09-30.endive"));
        assert!(facts.replayed);
        assert_eq!(answer(200, &[("date", "today")], "{}").facts.date, None);
    }
}
