//! The fake Stripe. [`serve`] takes a request from the wire, [`State::begin`] and
//! [`State::finish`] decide it over one account, and each resource has its file.

pub(crate) mod billing;
pub(crate) mod checkout;
pub(crate) mod customers;
pub(crate) mod diff;
pub(crate) mod error;
mod events;
mod expand;
pub(crate) mod idempotency;
mod invoices;
pub(crate) mod limits;
mod lists;
pub(crate) mod objects;
pub(crate) mod params;
pub(crate) mod payments;
mod periods;
mod plain;
mod prices;
mod products;
mod refunds;
pub(crate) mod routes;
pub(crate) mod serve;
pub(crate) mod subscriptions;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Map;
use tokio::time::Instant;

use self::{
    error::ApiError,
    idempotency::{Claim, MAX_KEY, Print},
    limits::Direction,
    params::Params,
};
use crate::{
    account::{Account, Cause},
    form,
    log::Entry,
    state::State,
};

/// An answer of the API.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    /// HTTP status.
    pub(crate) status: u16,
    /// JSON.
    pub(crate) body: Arc<str>,
    /// `req_…` of the first request with the idempotency key, when its answer is repeated.
    pub(crate) replay_of: Option<String>,
}

impl Reply {
    /// An error as an answer.
    pub(crate) fn error(error: &ApiError, request_id: &str) -> Self {
        Self {
            status: error.status,
            body: Arc::from(error.body(request_id).to_string()),
            replay_of: None,
        }
    }
}

/// A request of the API as it came.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// `GET`, `POST`, `DELETE`.
    pub(crate) method: String,
    /// As `/v1/customers`.
    pub(crate) path: String,
    /// The query string.
    pub(crate) query: String,
    /// The body's bytes.
    pub(crate) body: Bytes,
    /// The secret key.
    pub(crate) secret: Option<String>,
    /// `Stripe-Account`
    pub(crate) on_behalf: Option<String>,
    /// `Idempotency-Key`, kept for POST only, as Stripe does.
    pub(crate) key: Option<String>,
    /// `req_…`
    pub(crate) request_id: String,
}

/// What the checks before the work decided.
#[derive(Debug)]
pub(crate) enum Begun {
    /// Answer this; there is nothing to do.
    Done(Reply),
    /// Do the work in this account.
    Go(String),
}

impl Call {
    fn direction(&self) -> Direction {
        if self.method == "GET" {
            Direction::Read
        } else {
            Direction::Write
        }
    }

    fn print(&self) -> Print {
        idempotency::print(&self.method, &self.path, &self.body)
    }

    /// Query and body as one set of parameters.
    fn params(&self) -> Result<Params, ApiError> {
        let invalid = |error: form::FormError| ApiError::invalid("", error.to_string());
        let mut map: Map<_, _> = form::parse(&self.query).map_err(invalid)?;
        let body = std::str::from_utf8(&self.body)
            .map_err(|_| ApiError::invalid("", "the body is not UTF-8: send a form"))?;
        map.extend(form::parse(body).map_err(invalid)?);
        Ok(Params::new(map))
    }
}

impl State {
    /// Key, budget and idempotency; the key is claimed when the answer is [`Begun::Go`].
    pub(crate) fn begin(&mut self, call: &Call) -> Begun {
        self.run_due();
        match self.admit(call) {
            Ok(begun) => begun,
            Err(error) => Begun::Done(Reply::error(&error, &call.request_id)),
        }
    }

    fn admit(&mut self, call: &Call) -> Result<Begun, ApiError> {
        let now = self.clock.now();
        let account = self.account_of(call)?;
        if !account.limits.take(call.direction(), Instant::now()) {
            return Err(ApiError::rate_limited());
        }
        if let Some(key) = &call.key {
            if key.len() > MAX_KEY {
                let message = "an idempotency key has at most 255 characters";
                return Err(ApiError::idempotency(400, None, message));
            }
            let claim = account
                .idempotency
                .claim(key, call.print(), &call.request_id, now)?;
            if let Claim::Answer(reply) = claim {
                return Ok(Begun::Done(reply));
            }
        }
        Ok(Begun::Go(account.id.clone()))
    }

    fn account_of(&mut self, call: &Call) -> Result<&mut Account, ApiError> {
        let secret = call.secret.as_deref().ok_or_else(ApiError::unauthorized)?;
        let id = self.keys.get(secret).ok_or_else(ApiError::unauthorized)?;
        let Some(other) = call.on_behalf.as_ref().filter(|other| *other != id) else {
            return self.accounts.get_mut(id).ok_or_else(ApiError::unauthorized);
        };
        self.accounts
            .get_mut(other)
            .filter(|account| account.platform.as_ref() == Some(id))
            .ok_or_else(|| ApiError {
                status: 403,
                code: Some("account_invalid"),
                ..ApiError::invalid("", format!("the key has no access to account '{other}'"))
            })
    }

    /// Does the work of a begun request and hands its events to the webhooks.
    pub(crate) fn finish(&mut self, call: &Call, account: &str) -> Reply {
        let now = self.clock.now();
        let Some(account) = self.accounts.get_mut(account) else {
            return Reply::error(&ApiError::unauthorized(), &call.request_id);
        };
        let cause = Cause {
            request: Some(call.request_id.clone()),
            idempotency_key: call.key.clone(),
        };
        account.enter(now, cause);
        let reply = match run(account, call) {
            Ok(body) => Reply {
                status: 200,
                body,
                replay_of: None,
            },
            Err(error) => Reply::error(&error, &call.request_id),
        };
        if let Some(key) = &call.key {
            account.idempotency.settle(key, &reply);
        }
        self.hooks.take_events(account);
        reply
    }

    /// Keeps an injected error as the result of the call's idempotency key.
    pub(crate) fn keep(&mut self, call: &Call, reply: &Reply) {
        let now = self.clock.now();
        if let (Some(key), Ok(account)) = (&call.key, self.account_of(call)) {
            let (print, request) = (call.print(), &call.request_id);
            account
                .idempotency
                .keep(key, print, request, reply.clone(), now);
        }
    }

    /// Writes a request into the log.
    pub(crate) fn note(&mut self, call: &Call, reply: &Reply) {
        let template =
            routes::find(&call.method, &call.path).map_or("(unknown)", |found| found.0.template);
        let at = self.clock.now();
        self.log.push(Entry {
            at,
            method: call.method.clone(),
            path: call.path.clone(),
            template,
            status: reply.status,
            idempotency_key: call.key.clone(),
            request_id: call.request_id.clone(),
            replayed: reply.replay_of.is_some(),
        });
    }
}

fn run(account: &mut Account, call: &Call) -> Result<Arc<str>, ApiError> {
    let (route, id) = routes::find(&call.method, &call.path)
        .ok_or_else(|| ApiError::no_route(&call.method, &call.path))?;
    let params = call.params()?;
    let answer = (route.handler)(account, id, &params)?;
    expand::apply(account, answer, &params)
}
