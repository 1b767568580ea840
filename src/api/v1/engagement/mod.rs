//! Engagement: how an audience is doing, and its scores.

mod rebuild;
mod show;

pub use show::EngagementAnalytics;

use memberd_jobs::access::Scope;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::{ApiState, Code, Gate, openapi::gated};

const READ: Gate = Gate::Narrowed(Scope::EngagementRead);
const WRITE: Gate = Gate::Scope(Scope::JobsWrite);

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(gated(READ, &[Code::InvalidFilter], routes!(show::show)))
        .routes(gated(WRITE, &[], routes!(rebuild::rebuild)))
}
