//! Deliveries: which event was sent to which endpoint, and what came of it.

mod list;
mod model;
mod resend;
mod show;

use memberd_jobs::access::Scope;
pub(super) use model::WebhookDelivery;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::{ApiState, Code, Gate, openapi::gated};

const GATE: Gate = Gate::Scope(Scope::WebhooksWrite);

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    let filters = [Code::InvalidFilter, Code::InvalidCursor];
    let sending = [Code::NotFound, Code::InvalidRequest];
    OpenApiRouter::new()
        .routes(gated(GATE, &filters, routes!(list::list)))
        .routes(gated(GATE, &[Code::NotFound], routes!(show::show)))
        .routes(gated(GATE, &sending, routes!(resend::resend)))
}
