//! `GET /metrics`

use axum::{extract::State, http::header, response::IntoResponse};

use crate::api::{ApiState, NoQuery};

/// The type of Prometheus' text format.
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Metrics
///
/// The figures of this process in Prometheus' text format. Labels come from closed sets and hold nothing personal.
#[utoipa::path(get, path = "/metrics", tag = "open", operation_id = "metrics",
    responses((status = 200, description = "The figures.", body = String, content_type = "text/plain",
        example = "memberd_http_in_flight 1")))]
pub(super) async fn metrics(State(state): State<ApiState>, _: NoQuery) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, PROMETHEUS_TEXT)],
        state.metrics.0.render(),
    )
}
