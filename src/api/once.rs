//! Requests with an `Idempotency-Key`: the first is done, its repetitions get the same answer.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::{
    body::Body,
    extract::FromRequestParts,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use memberd_jobs::kernel::{
    db::{self, Tx},
    idempotency::{self, Claim, Claimed, KEY_CHARS_MAX},
};
use serde::{Deserialize, Serialize};
use utoipa::{
    IntoParams,
    openapi::{
        ObjectBuilder, Required, Type,
        path::{Parameter, ParameterBuilder, ParameterIn},
    },
};

use super::{activity::Told, auth::Caller, code::Code, error::Problem, state::ApiState};

/// The header with the caller's key.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The header of an answer that was given before.
const REPLAYED: &str = "idempotency-replayed";

/// What a request with effects may carry beside its body.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DryRun {
    /// `true`: the same checks and the same answer, and no effect.
    #[serde(default)]
    #[param(example = false)]
    pub dry_run: bool,
}

/// The caller's key for this request, if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(Option<String>);

impl IntoParams for IdempotencyKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[!-~]+$"))
            .min_length(Some(1))
            .max_length(Some(KEY_CHARS_MAX))
            .build();
        let about = "A text of your own, which a repetition carries too: it gets the first answer, and nothing is done twice. \
            Kept for 24 hours.";
        let header = ParameterBuilder::new()
            .name("Idempotency-Key")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(about))
            .schema(Some(schema))
            .example(Some("8f14e45f-ceea-467f-9b3c-3d8f5a1c7e02".into()));
        vec![header.build()]
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let mut keys = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(key) = keys.next() else {
            return Ok(Self(None));
        };
        let text = key.to_str().unwrap_or_default();
        let fits = (1..=KEY_CHARS_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !fits || keys.next().is_some() {
            let detail = format!(
                "Idempotency-Key must be one text of 1 to {KEY_CHARS_MAX} visible ASCII characters"
            );
            return Err(Problem::new(Code::InvalidRequest, detail));
        }
        Ok(Self(Some(text.to_owned())))
    }
}

/// What to do about a request.
#[derive(Debug)]
pub enum Begun {
    /// Do it, and write the answer with [`Once::settle`] in the same transaction.
    First(Once),
    /// It was done before.
    Replayed(Response),
}

/// A request that is being done for the first time.
#[derive(Debug)]
pub struct Once(Option<Box<Open>>);

/// A claim whose request is under way.
#[derive(Debug)]
struct Open {
    claim: Claim,
    state: ApiState,
    /// Whether it is known what came of the request.
    ended: AtomicBool,
}

impl Drop for Open {
    /// Frees the key of a request that took too long, or whose caller has gone. An answer that is written stays.
    fn drop(&mut self) {
        if self.ended.load(Ordering::Relaxed) {
            return;
        }
        let (claim, state) = (self.claim.clone(), self.state.clone());
        let tasks = state.tasks.clone();
        tasks.spawn(async move { release(&claim, &state).await });
    }
}

/// An answer that can be given again.
#[derive(Debug)]
pub struct Kept(idempotency::Answer);

impl IdempotencyKey {
    /// Claims the key for what is `asked`, in full. Without a key every request is the first.
    ///
    /// # Errors
    /// When the key was used for something else, or its first request is not done yet.
    pub async fn begin(
        self,
        state: &ApiState,
        caller: &Caller,
        asked: &impl Serialize,
    ) -> Result<Begun, Problem> {
        let Some(key) = self.0 else {
            return Ok(Begun::First(Once(None)));
        };
        let asked = serde_json::to_string(asked).map_err(|error| Problem::internal(&error))?;
        // A blank is in no caller's key, so what others keep under the same key is never answered to a narrowed one.
        let key = match &caller.creator {
            Some(creator) => format!("{creator} {key}"),
            None => key,
        };
        let claimed = idempotency::claim(&state.env, &caller.organization, &key, &asked).await?;
        match claimed {
            Claimed::First(claim) => Ok(Begun::First(Once(Some(Box::new(Open {
                claim,
                state: state.clone(),
                ended: AtomicBool::new(false),
            }))))),
            Claimed::Done(answer) => {
                let mut response = Kept(answer).into_response();
                let replayed = HeaderValue::from_static("true");
                response.headers_mut().insert(REPLAYED, replayed);
                Ok(Begun::Replayed(response))
            }
            Claimed::InProgress => Err(in_progress()),
            Claimed::Reused => Err(Problem::new(
                Code::IdempotencyKeyReused,
                "this Idempotency-Key was used for another request: use a new one",
            )),
        }
    }
}

fn in_progress() -> Problem {
    Problem::new(
        Code::IdempotencyInProgress,
        "the first request with this Idempotency-Key is not done yet: try again in a moment",
    )
}

impl Once {
    /// A request without a key.
    pub const fn without_key() -> Self {
        Self(None)
    }

    /// Writes the answer in the transaction of the work.
    pub async fn settle(&self, tx: &mut Tx, kept: &Kept) -> Result<(), Problem> {
        match &self.0 {
            None => Ok(()),
            Some(open) => match open.claim.settle(tx, &kept.0).await {
                // We were so slow that a repetition has taken our place.
                Err(db::Error::LeaseLost) => Err(in_progress()),
                settled => Ok(settled?),
            },
        }
    }

    /// Passes on what came of the request, and frees the key where nothing was done.
    pub async fn ended<T>(&self, state: &ApiState, done: Result<T, Problem>) -> Result<T, Problem> {
        if let Some(open) = &self.0 {
            if done.is_err() {
                release(&open.claim, state).await;
            }
            open.ended.store(true, Ordering::Relaxed);
        }
        done
    }
}

async fn release(claim: &Claim, state: &ApiState) {
    if let Err(error) = claim.release(&state.env.db).await {
        tracing::warn!(%error, "could not free an idempotency key: it frees itself in a while");
    }
}

impl Kept {
    /// An answer with a JSON body.
    ///
    /// # Errors
    /// When the body does not serialize, which is a defect.
    pub fn json(status: StatusCode, body: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_string(body).map_err(|error| Problem::internal(&error))?;
        Ok(Self(idempotency::Answer {
            status: i64::from(status.as_u16()),
            body,
        }))
    }

    /// What it tells of.
    pub(super) fn told(&self) -> Told {
        Told::of(&self.0.body)
    }

    /// The answer as it goes out.
    pub fn into_response(self) -> Response {
        let told = self.told();
        let mut response = Response::new(Body::from(self.0.body));
        response.extensions_mut().insert(told);
        let status = u16::try_from(self.0.status).ok();
        *response.status_mut() = status
            .and_then(|status| StatusCode::from_u16(status).ok())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}
