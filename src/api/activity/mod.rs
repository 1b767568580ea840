//! What every call of a key leaves in the activity log.
//!
//! A call that may change something is written down before anything is done for it, and refused when that fails. Its end,
//! and calls that only read, are written behind. The decision is docs/decisions/0021.

mod behind;
mod object;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use memberd_jobs::{
    access::activity::{self, CALL_ID_PREFIX, Call},
    kernel::millis,
};

pub(crate) use self::object::is_id;
pub(super) use self::{behind::Behind, object::Told};
use super::{
    auth::Caller, code::Code, error::Problem, observe::label, request_id::RequestId,
    state::ApiState,
};

/// Where the gate tells the layer around it which call the request is.
#[derive(Clone, Debug, Default)]
struct Slot(Arc<Mutex<Option<Call>>>);

impl Slot {
    fn take(&self) -> Option<Call> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A request that is being answered. Its call is handed in when it is dropped: also when the caller has gone away.
struct Open {
    state: ApiState,
    slot: Slot,
    begun: Instant,
    /// Status and time of the answer.
    answered: Option<(i64, i64)>,
    told: Told,
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(mut call) = self.slot.take() {
            (call.status, call.milliseconds) = self.answered.unzip();
            std::mem::take(&mut self.told).complete(&mut call);
            self.state.activity.note(&self.state, call);
        }
    }
}

/// Sees to it that a call is handed in with its end.
pub(super) async fn record(
    State(state): State<ApiState>,
    mut request: Request,
    next: Next,
) -> Response {
    let slot = Slot::default();
    request.extensions_mut().insert(slot.clone());
    let mut open = Open {
        state,
        slot,
        begun: Instant::now(),
        answered: None,
        told: Told::default(),
    };
    let mut response = next.run(request).await;
    let status = i64::from(response.status().as_u16());
    open.answered = Some((status, millis(open.begun.elapsed())));
    open.told = response.extensions_mut().remove().unwrap_or_default();
    response
}

/// The call that a request with a key is.
pub(super) async fn call(state: &ApiState, caller: &Caller, request: &mut Request) -> Call {
    let (object_id, made_id) = object::named(state, request).await;
    let extensions = request.extensions();
    let route = extensions.get::<MatchedPath>().map(MatchedPath::as_str);
    let request_id = extensions.get::<RequestId>();
    Call {
        id: state.env.id(CALL_ID_PREFIX),
        organization_id: caller.organization.clone(),
        key_id: caller.key_id.clone(),
        method: label(request.method()).to_owned(),
        route: route.unwrap_or_default().to_owned(),
        object_id,
        made_id,
        request_id: request_id.map(|id| id.0.clone()).unwrap_or_default(),
        status: None,
        milliseconds: None,
        calls: 1,
        created_at: state.env.now(),
    }
}

/// Writes a call down before anything is done for it, if it may change something.
///
/// # Errors
/// When it cannot be written down. Then nothing may be done for it.
pub(super) async fn begin(state: &ApiState, call: &Call, reads: bool) -> Result<(), Problem> {
    if reads {
        return Ok(());
    }
    activity::begin(&state.env.db, call).await.map_err(|error| {
        tracing::error!(%error, "a call was refused, because the activity log takes no row");
        let detail = "nothing was done, because the call could not be written into the activity log: try again in a moment";
        Problem::new(Code::Overloaded, detail)
    })
}

/// Says which call a request is, so that it is handed in with its end.
pub(super) fn hold(request: &Request, call: Call) {
    if let Some(Slot(slot)) = request.extensions().get() {
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(call);
    }
}
