//! `GET /openapi.json`

use axum::{http::header, response::IntoResponse};

use crate::api::{NoQuery, openapi_text};

/// This description
///
/// OpenAPI 3.1, made from the code that serves it.
#[utoipa::path(get, path = "/openapi.json", tag = "open", operation_id = "openapi",
    responses((status = 200, description = "The document.", body = Object, example = json!({"openapi": "3.1.0"}))))]
pub(super) async fn openapi_json(_: NoQuery) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi_text())
}
