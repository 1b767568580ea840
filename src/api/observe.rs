//! What is measured of every request.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request},
    http::Method,
    middleware::Next,
    response::Response,
};

/// The route label of paths that no route matches.
const UNMATCHED: &str = "unmatched";

/// Counts down again also when the caller goes away before the answer.
struct InFlight;

impl InFlight {
    fn begin() -> Self {
        metrics::gauge!("memberd_http_in_flight").increment(1.0);
        Self
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        metrics::gauge!("memberd_http_in_flight").decrement(1.0);
    }
}

/// Counts and times the request, by its route's template.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| UNMATCHED.to_owned(), |path| path.as_str().to_owned());
    let method = label(request.method());
    let in_flight = InFlight::begin();
    let begun = Instant::now();
    let response = next.run(request).await;
    let took = begun.elapsed();
    drop(in_flight);
    let status = response.status();
    metrics::histogram!("memberd_http_request_duration_seconds", "route" => route.clone())
        .record(took.as_secs_f64());
    tracing::debug!(
        route,
        method,
        status = status.as_u16(),
        ms = took.as_millis(),
        "answered"
    );
    metrics::counter!("memberd_http_requests_total",
        "route" => route, "method" => method, "status" => status.as_str().to_owned())
    .increment(1);
    response
}

/// Methods are a closed set, so that nobody can fill metrics and tables with invented ones.
pub(super) fn label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
