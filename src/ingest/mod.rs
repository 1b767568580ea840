//! What others push to us. It is checked and stored, and answered at once; the work is done by jobs.

pub mod stripe;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde_json::json;

/// A refusal in the form of RFC 9457. `code` is one of the codes of the API, `detail` says what to do.
fn refuse(status: StatusCode, code: &str, detail: &str) -> Response {
    let problem = json!({
        "type": format!("https://memberd.dev/problems/{code}"),
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "code": code,
        "detail": detail,
    });
    let mut response = (status, Json(problem)).into_response();
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    response
}
