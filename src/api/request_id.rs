//! The envelope of every request: its id, its span in the log, its headers, and the writing out of problems.

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};
use tracing::Instrument as _;

use super::{error::Problem, limits::REQUEST_ID_CHARS_MAX, state::ApiState};

/// The header that carries the id both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request, for endpoints that pass it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub String);

/// Gives the request its id and the response its common headers; turns a [`Problem`] into its document.
pub(super) async fn envelope(
    State(state): State<ApiState>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = accepted(request.headers()).unwrap_or_else(|| state.env.id("req"));
    let private = request.uri().path().starts_with("/v1");
    let span = tracing::info_span!("request", request_id = id, method = %request.method());
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).instrument(span).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        write_out(&problem, &id, &mut response);
    }
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if private {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    response
}

fn write_out(problem: &Problem, id: &str, response: &mut Response) {
    let body = problem.body(id);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    headers.insert(header::CONTENT_LENGTH, body.len().into());
    *response.body_mut() = Body::from(body);
}

/// The caller's own id, if it is harmless in logs and headers.
fn accepted(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let fits = !id.is_empty()
        && id.len() <= REQUEST_ID_CHARS_MAX
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    fits.then(|| id.to_owned())
}
