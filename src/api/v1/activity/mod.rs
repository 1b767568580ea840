//! The activity log: what was called with the organization's keys.

mod list;

use memberd_jobs::access::Scope;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::{ApiState, Code, Gate, openapi::gated};

const GATE: Gate = Gate::Scope(Scope::AuditRead);

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    let filters = [Code::InvalidFilter, Code::InvalidCursor];
    OpenApiRouter::new().routes(gated(GATE, &filters, routes!(list::list)))
}
