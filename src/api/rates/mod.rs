//! How often a key may call, and how often an address may come with keys that do not work.
//!
//! Each process counts by itself: with several of them behind a balancer a key may do so many times as much.

mod log;
mod peer;
mod strangers;

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    response::{IntoResponse as _, Response},
};
use tokio::time::Instant;

use self::log::{Log, WINDOW};
pub use self::peer::{Peer, Proxies};
pub(super) use self::strangers::Strangers;
use super::{code::Code, error::Problem};

/// The two headers of the draft `draft-ietf-httpapi-ratelimit-headers`; a draft, so they stand here alone.
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Keys after whose number idle ones are looked for.
const KEYS_KEPT_MIN: usize = 1_024;

/// Requests of one key within any minute; 0: as many as it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// That only read.
    pub reads: u32,
    /// That may change something.
    pub writes: u32,
    /// Of either sort.
    pub requests: u32,
}

/// One of the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Policy {
    /// Its word in headers, problems and metrics.
    name: &'static str,
    quota: u32,
}

impl Rates {
    /// The limits that a request of this sort falls under.
    fn policies(self, reads: bool) -> impl Iterator<Item = Policy> {
        let own = if reads {
            ("reads", self.reads)
        } else {
            ("writes", self.writes)
        };
        let all = ("requests", self.requests);
        let policies = [own, all].map(|(name, quota)| Policy { name, quota });
        policies.into_iter().filter(|policy| policy.quota > 0)
    }
}

/// What a key has done in the last minute.
#[derive(Debug, Default)]
struct Used {
    reads: Log,
    writes: Log,
    requests: Log,
}

impl Used {
    fn log(&mut self, name: &str) -> &mut Log {
        match name {
            "reads" => &mut self.reads,
            "writes" => &mut self.writes,
            _ => &mut self.requests,
        }
    }
}

/// Where a key stands after a request: what the headers say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    policies: Vec<Policy>,
    /// The limit that is nearest to its end.
    strictest: Policy,
    /// Requests that it still lets through.
    remaining: usize,
    /// Until it lets one more through.
    frees: Duration,
}

/// What the keys have done.
#[derive(Debug, Default)]
pub(super) struct RateLimits(Mutex<HashMap<String, Used>>);

impl RateLimits {
    /// Lets the request of a key through and counts it, or not: then it costs nothing. `None` when no limit is set.
    pub(super) fn admit(
        &self,
        rates: Rates,
        key: &str,
        reads: bool,
        now: Instant,
    ) -> Option<Result<Standing, Standing>> {
        let policies: Vec<_> = rates.policies(reads).collect();
        if policies.is_empty() {
            return None;
        }
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !used.contains_key(key) && used.len() >= KEYS_KEPT_MIN && used.len().is_power_of_two() {
            used.retain(|_, used| {
                let logs = [&mut used.reads, &mut used.writes, &mut used.requests];
                logs.into_iter().any(|log| log.len(now) > 0)
            });
        }
        let used = used.entry(key.to_owned()).or_default();
        let refuses = policies
            .iter()
            .map(|policy| (used.log(policy.name).wait(quota(*policy), now), *policy))
            .filter(|(wait, _)| !wait.is_zero())
            .max_by_key(|(wait, _)| *wait);
        if let Some((frees, strictest)) = refuses {
            return Some(Err(Standing {
                policies,
                strictest,
                remaining: 0,
                frees,
            }));
        }
        for policy in &policies {
            used.log(policy.name).note(now);
        }
        let left = |policy: &Policy, used: &mut Used| {
            quota(*policy) - used.log(policy.name).len(now).min(quota(*policy))
        };
        let strictest = *policies.iter().min_by_key(|policy| left(policy, used))?;
        let remaining = left(&strictest, used);
        let frees = used.log(strictest.name).frees(now);
        Some(Ok(Standing {
            policies,
            strictest,
            remaining,
            frees,
        }))
    }
}

fn quota(policy: Policy) -> usize {
    usize::try_from(policy.quota).unwrap_or(usize::MAX)
}

impl Standing {
    /// Why the request is refused.
    pub(super) fn problem(&self) -> Problem {
        let Policy { name, quota } = self.strictest;
        metrics::counter!("memberd_rate_limited_total", "policy" => name).increment(1);
        let detail = format!(
            "the key has used up its limit `{name}`, {quota} within {} s: try again in {} s. limits.{name}_per_minute sets it",
            WINDOW.as_secs(),
            seconds(self.frees),
        );
        Problem::new(Code::RateLimited, detail)
    }

    /// Writes the headers; with `refused` also when to come back.
    pub(super) fn write(&self, headers: &mut HeaderMap, refused: bool) {
        let mut policies = String::new();
        for Policy { name, quota } in &self.policies {
            let comma = if policies.is_empty() { "" } else { ", " };
            // Writing into a String cannot fail.
            let _ = write!(
                policies,
                "{comma}\"{name}\";q={quota};w={}",
                WINDOW.as_secs()
            );
        }
        let frees = seconds(self.frees);
        let limit = format!("\"{}\";r={};t={frees}", self.strictest.name, self.remaining);
        for (name, text) in [(POLICY, policies), (LIMIT, limit)] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        }
        if refused {
            headers.insert(header::RETRY_AFTER, frees.max(1).into());
        }
    }
}

/// The answer to an address from which too many keys came that do not work.
pub(super) fn too_many_strangers(wait: Duration) -> Response {
    metrics::counter!("memberd_rate_limited_total", "policy" => "unauthorized").increment(1);
    let frees = seconds(wait).max(1);
    let detail = format!(
        "too many requests with keys that do not work came from your address: try again in {frees} s. \
         limits.unauthorized_per_minute sets how many may"
    );
    let mut response = Problem::new(Code::RateLimited, detail).into_response();
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, frees.into());
    response
}

/// Whole seconds, rounded up: whoever waits so long does not wait too short.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// Whether a request only reads.
pub(super) fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: Rates = Rates {
        reads: 120,
        writes: 30,
        requests: 100,
    };

    fn admitted(
        limits: &RateLimits,
        key: &str,
        reads: bool,
        now: Instant,
    ) -> Result<Standing, Standing> {
        limits.admit(RATES, key, reads, now).unwrap()
    }

    #[test]
    fn the_strictest_limit_wins_and_is_named() {
        let (limits, now) = (RateLimits::default(), Instant::now());
        for n in 1..=30 {
            let standing = admitted(&limits, "a", false, now).unwrap();
            assert_eq!(
                (standing.strictest.name, standing.remaining),
                ("writes", 30 - n)
            );
        }
        let refused = admitted(&limits, "a", false, now).unwrap_err();
        assert_eq!((refused.strictest.name, refused.frees), ("writes", WINDOW));
        // 70 of all requests are left, of which the reads may take all: a refused one has cost nothing.
        for n in 1..=70 {
            let standing = admitted(&limits, "a", true, now).unwrap();
            assert_eq!(
                (standing.strictest.name, standing.remaining),
                ("requests", 70 - n)
            );
        }
        let refused = admitted(&limits, "a", true, now + Duration::from_millis(1_500)).unwrap_err();
        assert_eq!(
            refused.strictest,
            Policy {
                name: "requests",
                quota: 100
            }
        );
        assert!(
            refused
                .problem()
                .detail
                .contains("`requests`, 100 within 60 s: try again in 59 s")
        );
        assert!(
            admitted(&limits, "b", false, now).is_ok(),
            "another key is another matter"
        );
        assert!(admitted(&limits, "a", true, now + WINDOW).is_ok());
    }

    #[test]
    fn the_headers_name_every_limit_and_the_nearest() {
        let (limits, now) = (RateLimits::default(), Instant::now());
        let mut headers = HeaderMap::new();
        admitted(&limits, "a", true, now)
            .unwrap()
            .write(&mut headers, false);
        assert_eq!(
            headers["ratelimit-policy"],
            r#""reads";q=120;w=60, "requests";q=100;w=60"#
        );
        assert_eq!(headers["ratelimit"], r#""requests";r=99;t=60"#);
        assert!(!headers.contains_key("retry-after"));
    }

    #[test]
    fn without_limits_nothing_is_counted() {
        let limits = RateLimits::default();
        assert_eq!(
            limits.admit(Rates::default(), "a", true, Instant::now()),
            None
        );
        let only = Rates {
            writes: 1,
            ..Rates::default()
        };
        assert_eq!(limits.admit(only, "a", true, Instant::now()), None);
        assert!(
            limits
                .admit(only, "a", false, Instant::now())
                .unwrap()
                .is_ok()
        );
        assert!(
            limits
                .admit(only, "a", false, Instant::now())
                .unwrap()
                .is_err()
        );
    }

    #[test]
    fn keys_that_rest_are_forgotten() {
        let (limits, now) = (RateLimits::default(), Instant::now());
        for n in 0..KEYS_KEPT_MIN {
            admitted(&limits, &n.to_string(), true, now).unwrap();
        }
        admitted(&limits, "one more", true, now + WINDOW).unwrap();
        assert_eq!(limits.0.lock().unwrap().len(), 1);
    }
}
