//! What keeps one bad request from harming others: a time limit, and panics that end as problems.

use std::panic::AssertUnwindSafe;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::FutureExt;

use super::{code::Code, error::Problem, state::ApiState};

/// Bounds the request's time and catches its panic.
pub(super) async fn guard(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let limit = state.limits.request_timeout;
    // A panic leaves nothing half done: transactions roll back when they are dropped.
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(limit, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => {
            Problem::internal(&format!("panic: {}", message(&*panic))).into_response()
        }
        Err(_) => Problem::new(
            Code::Overloaded,
            format!("the request took longer than {} s", limit.as_secs_f64()),
        )
        .into_response(),
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}
