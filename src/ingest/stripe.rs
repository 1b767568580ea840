//! Stripe's webhooks: `POST /webhooks/stripe` and `POST /webhooks/stripe/{organization}`.
//!
//! The raw bytes are read up to a limit, then the signature is checked, and only then is anything parsed. The event
//! and its job are stored in one transaction, with others that come at the same time; 200 means that they are. Stripe
//! itself is never asked here.

mod intake;

use std::{
    collections::BTreeMap,
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, Bytes, to_bytes},
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::post,
};
use http_body_util::LengthLimitError;
use memberd_jobs::{
    kernel::{Env, Timestamp, db},
    sync::{Arrived, ReceiveError, Received, Source},
};
use secrecy::SecretString;
use tokio::time::{Instant, timeout};
use tracing::{debug, warn};

use self::intake::Intake;
use crate::{
    api::{Code, Problem},
    runtime::health::Readiness,
    stripe::signature::{self, SignatureError, verify},
};

/// Bytes of a body, unless configured: Stripe's largest events have some hundred kilobytes.
pub const BODY_LIMIT: usize = 1024 * 1024;

/// How long the body may take to arrive. Stripe gives up after about as long.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long storing an event may take. Stripe sends it again after a 503, but gives up on an endpoint that is silent;
/// and whoever waits for a database that is away takes the place of others.
pub const STORE_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause between two lines of the log about refused webhooks: anybody can send as many as she likes.
const COMPLAINT_PAUSE: Duration = Duration::from_mins(1);

/// The organization of the path without one.
const DEFAULT_ORGANIZATION: &str = "default";

/// What the routes need.
#[derive(Clone, Debug)]
pub struct StripeIngest {
    /// The world, of which only the database and the time are used.
    pub env: Env,
    /// The signing secrets (`whsec_…`) of each organization's endpoints. Empty ones are ignored.
    pub secrets: BTreeMap<String, Vec<SecretString>>,
    /// How far the time of a signature may be from ours; [`signature::TOLERANCE`] unless configured.
    pub tolerance: Duration,
    /// Most bytes of a body; [`BODY_LIMIT`] unless configured.
    pub body_limit: usize,
    /// Is told whether events can be stored.
    pub readiness: Arc<Readiness>,
}

/// The two routes.
pub fn routes(ingest: StripeIngest) -> Router {
    Router::new()
        .route("/webhooks/stripe", post(receive_default))
        .route("/webhooks/stripe/{organization}", post(receive_for))
        .with_state(Arc::new(Shared {
            intake: Intake::new(&ingest.env),
            ingest,
            complained: AtomicI64::new(i64::MIN),
        }))
}

/// What the requests share.
#[derive(Debug)]
struct Shared {
    ingest: StripeIngest,
    intake: Intake,
    /// When a refusal was last written to the log, in Unix milliseconds.
    complained: AtomicI64,
}

impl Shared {
    /// One line a minute, because a wrong secret should not go unnoticed. It tells neither the path's organization nor
    /// what was sent.
    fn complain(&self, outcome: &'static str, now: Timestamp) {
        debug!(outcome, "stripe webhook refused");
        let last = self.complained.load(Ordering::Relaxed);
        if now.since(Timestamp(last)) < COMPLAINT_PAUSE {
            return;
        }
        let ours =
            self.complained
                .compare_exchange(last, now.0, Ordering::Relaxed, Ordering::Relaxed);
        if ours.is_ok() {
            warn!(
                outcome,
                "a stripe webhook was refused; more within the next minute are only counted, in \
                 memberd_stripe_webhooks_total. If they are Stripe's, compare stripe.webhook_secrets with the \
                 endpoint's signing secret in Stripe's dashboard, and the machine's time with the true one"
            );
        }
    }
}

/// Why a webhook is not stored.
#[derive(Debug)]
enum Refusal {
    UnknownOrganization,
    TooLarge(usize),
    /// The body broke off or took too long.
    Incomplete,
    Signature(SignatureError),
    Malformed(String),
    Unavailable,
}

type Ingest = State<Arc<Shared>>;

async fn receive_default(State(shared): Ingest, headers: HeaderMap, body: Body) -> Response {
    answer(&shared, DEFAULT_ORGANIZATION, &headers, body).await
}

async fn receive_for(
    State(shared): Ingest,
    Path(organization): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answer(&shared, &organization, &headers, body).await
}

async fn answer(shared: &Shared, organization: &str, headers: &HeaderMap, body: Body) -> Response {
    let ingest = &shared.ingest;
    let started = Instant::now();
    let received = receive(shared, organization, headers, body).await;
    metrics::histogram!("memberd_stripe_webhook_duration_seconds").record(started.elapsed());
    let outcome = match &received {
        Ok(received) => received.as_str(),
        Err(refusal) => refusal.outcome(),
    };
    metrics::counter!("memberd_stripe_webhooks_total", "outcome" => outcome).increment(1);
    let now = ingest.env.now();
    match &received {
        Ok(_) => ingest.readiness.stored(true, now),
        Err(Refusal::Unavailable) => ingest.readiness.stored(false, now),
        Err(_) => {}
    }
    match received {
        Ok(_) => {
            debug!(organization, outcome, "stripe webhook");
            Json(serde_json::json!({ "received": true, "outcome": outcome })).into_response()
        }
        Err(refusal) => {
            shared.complain(outcome, now);
            refusal.into_response()
        }
    }
}

async fn receive(
    shared: &Shared,
    organization: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Received, Refusal> {
    let ingest = &shared.ingest;
    let secrets = ingest
        .secrets
        .get(organization)
        .filter(|secrets| signature::usable(secrets).next().is_some())
        .ok_or(Refusal::UnknownOrganization)?;
    let body = read(headers, body, ingest.body_limit).await?;
    let now = ingest.env.now();
    verify(one(headers)?, &body, secrets, now, ingest.tolerance).map_err(Refusal::Signature)?;
    let text = str::from_utf8(&body).map_err(|_| Refusal::Malformed("not UTF-8".to_owned()))?;
    let arrived = match Arrived::read(&ingest.env, organization, Source::Webhook, text) {
        Ok(arrived) => arrived,
        Err(ReceiveError::Malformed(why)) => return Err(Refusal::Malformed(why)),
        Err(ReceiveError::Db(error)) => return Err(unavailable(organization, &error)),
    };
    let made = arrived.created_at();
    let Ok(stored) = timeout(STORE_TIMEOUT, shared.intake.store(arrived)).await else {
        warn!(
            organization,
            "a stripe webhook could not be stored within {STORE_TIMEOUT:?}"
        );
        return Err(Refusal::Unavailable);
    };
    let received = stored.map_err(|error| unavailable(organization, &error))?;
    // How long after it happened the event is here. Retries of Stripe and replays count too.
    metrics::histogram!("memberd_stripe_webhook_lag_seconds").record(now.since(made));
    Ok(received)
}

fn unavailable(organization: &str, error: &db::Error) -> Refusal {
    warn!(organization, %error, "a stripe webhook could not be stored");
    Refusal::Unavailable
}

/// Reads the body and stops at the limit.
async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Refusal> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(Refusal::TooLarge(limit));
    }
    match timeout(BODY_TIMEOUT, to_bytes(body, limit)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) => match error.source() {
            Some(cause) if cause.is::<LengthLimitError>() => Err(Refusal::TooLarge(limit)),
            _ => Err(Refusal::Incomplete),
        },
        Err(_) => Err(Refusal::Incomplete),
    }
}

/// The signature header; two of them could be read in two ways.
fn one(headers: &HeaderMap) -> Result<Option<&[u8]>, Refusal> {
    let mut values = headers.get_all(signature::HEADER).iter();
    let first = values.next().map(HeaderValue::as_bytes);
    match values.next() {
        None => Ok(first),
        Some(_) => Err(Refusal::Signature(SignatureError::Malformed)),
    }
}

impl Refusal {
    const fn outcome(&self) -> &'static str {
        match self {
            Self::UnknownOrganization => "unknown_organization",
            Self::TooLarge(_) => "too_large",
            Self::Signature(SignatureError::Expired(_)) => "signature_expired",
            Self::Signature(_) => "invalid_signature",
            Self::Incomplete | Self::Malformed(_) => "malformed",
            Self::Unavailable => "unavailable",
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (code, detail) = match self {
            Self::UnknownOrganization => (
                Code::NotFound,
                "no organization with this name receives Stripe webhooks: check the endpoint's URL and \
                 stripe.webhook_secrets"
                    .to_owned(),
            ),
            Self::TooLarge(limit) => {
                (Code::PayloadTooLarge, format!("the body has more than {limit} bytes"))
            }
            Self::Incomplete => {
                (Code::InvalidRequest, "the body broke off or came too slowly".to_owned())
            }
            Self::Signature(error @ SignatureError::Expired(_)) => {
                (Code::SignatureExpired, error.to_string())
            }
            Self::Signature(error) => (Code::InvalidSignature, error.to_string()),
            Self::Malformed(why) => {
                (Code::InvalidJson, format!("the body is not a Stripe event: {why}"))
            }
            Self::Unavailable => {
                (Code::Overloaded, "the event could not be stored: send it again".to_owned())
            }
        };
        Problem::new(code, detail).into_response()
    }
}

#[cfg(test)]
mod tests;
