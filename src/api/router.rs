//! All routes, and the layers around them.

use axum::{
    Extension, Router,
    http::{Method, StatusCode},
    middleware::{from_fn, from_fn_with_state},
};
use utoipa_axum::router::OpenApiRouter;

use super::{
    activity::record, code::Code, error::Problem, guard::guard, observe::observe, open,
    request_id::envelope, state::ApiState, v1,
};

/// Every endpoint with its description.
pub(super) fn endpoints() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .merge(open::routes())
        .merge(v1::routes())
}

/// The whole API.
pub fn router(state: ApiState) -> Router {
    router_with(state, Router::new())
}

/// The whole API and `others`, which get the same request ids, limits, metrics and problems.
pub fn router_with(state: ApiState, others: Router<ApiState>) -> Router {
    let (router, _) = endpoints().split_for_parts();
    router
        .merge(others)
        .fallback(nowhere)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(state.clone(), guard))
        .layer(from_fn_with_state(state.clone(), record))
        .layer(from_fn(observe))
        .layer(from_fn_with_state(state.clone(), envelope))
        .layer(Extension(state.clone()))
        .with_state(state)
}

async fn nowhere() -> Problem {
    Problem::new(Code::NotFound, "there is no such path")
}

/// axum adds the header `Allow`.
async fn wrong_method(method: Method) -> Problem {
    let detail = format!("this path has no method {method}");
    Problem::new(Code::InvalidRequest, detail).with_status(StatusCode::METHOD_NOT_ALLOWED)
}
